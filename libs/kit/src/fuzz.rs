//! What strangers say of where a list goes on, tried with what nobody thought of. The same few in every run of the tests;
//! `make fuzz` tries a million of each, and others every time.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::RngSeed};

use crate::{
    Page, Result,
    changes::Position,
    order::{By, Field, OrderedPage, Value},
    seal::Seal,
};

static SEAL: LazyLock<Seal> = LazyLock::new(Seal::random);

/// A name and a size.
type Row = (String, i64);

const FIELDS: &[Field<Row>] = &[
    Field { name: "name", sql: "name", value: By::Text(|row| row.0.clone()) },
    Field { name: "size", sql: "size", value: By::Number(|row| row.1) },
];

fn page(token: &str, filter: &str) -> Result<Page<i64>> {
    Page::parse(&SEAL, 1, token, &filter.to_owned())
}

fn ordered(order_by: &str, token: &str) -> Result<OrderedPage<Row, i64>> {
    OrderedPage::parse(&SEAL, FIELDS, order_by, 1, token, &order_by.to_owned())
}

/// The token of the page after one that ends with `key`.
fn token(key: i64, filter: &str) -> String {
    page("", filter).unwrap().cut(vec![key, 0], |row| *row, |row| row).unwrap().1
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_token_is_taken_but_ours(noise in vec(any::<u8>(), 1..80), text in "[ -~é]{1,80}") {
        for forged in [&BASE64_URL_SAFE_NO_PAD.encode(noise), &text] {
            prop_assert!(page(forged, "").is_err(), "{}", forged);
            prop_assert!(ordered("name", forged).is_err(), "{}", forged);
        }
    }

    #[test]
    fn a_token_leads_on_as_it_is_and_for_its_filter_alone(
        key in any::<i64>(),
        filter in "[a-c]{0,2}",
        other in "[a-c]{0,2}",
        at in any::<Index>(),
        byte in 0x20..0x7f_u8,
    ) {
        let token = token(key, &filter);
        prop_assert_eq!(page(&token, &filter).unwrap().after, Some(key));
        prop_assert_eq!(page(&token, &other).is_ok(), filter == other);

        let mut altered = token.clone().into_bytes();
        let at = at.index(altered.len());
        altered[at] = byte;
        let altered = String::from_utf8(altered).unwrap();
        prop_assert_eq!(page(&altered, &filter).is_ok(), altered == token, "{}", altered);
    }

    #[test]
    fn what_another_release_sealed_is_read_or_refused(
        json in r#"(\{"filter":"[a-zA-Z_-]{0,12}","after":(-?[0-9]{1,20}|"[a-z]{0,3}"|null|\[\])\})|.{0,40}"#,
    ) {
        let sealed = SEAL.close(json.into_bytes()).unwrap();
        for order_by in ["", "name", "size desc"] {
            let _ = ordered(order_by, &sealed);
        }
        let _ = page(&sealed, "");
    }

    #[test]
    fn an_order_is_one_of_those_there_are(
        order_by in "(name|size|desc|asc| |,|[a-z]){0,4}",
        name in ".{0,20}",
        size in any::<i64>(),
    ) {
        let words: Vec<_> = order_by.split_ascii_whitespace().collect();
        let is_known = matches!(words[..], [] | ["name" | "size"] | ["name" | "size", "desc"]);
        let first = ordered(&order_by, "");
        prop_assert_eq!(first.is_ok(), is_known, "{}", order_by);
        let Ok(first) = first else { return Ok(()) };

        let (_, token) = first.cut(vec![(name.clone(), size); 2], |_| 7, |_| 0).unwrap();
        let next = ordered(&order_by, &token).unwrap();

        let (_, value, id) = next.after(None).unwrap();
        let expected = words.first().map(|word| match *word {
            "name" => Value::Text(name),
            _ => Value::Number(size),
        });
        prop_assert_eq!(value, expected);
        prop_assert_eq!(id, 7);
    }

    #[test]
    fn a_resume_token_is_a_place_or_refused(token in "(-?[0-9]{1,20}\\.?){0,4}|.{0,40}") {
        if let Ok(position) = Position::parse("resume_token", &token) {
            let again = Position::parse("resume_token", &position.to_string());
            prop_assert_eq!(again.unwrap(), position);
        }
    }
}
