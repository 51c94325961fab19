//! Whatever comes in, nothing breaks.

use std::collections::BTreeMap;

use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{World, json as with_json};

/// JSON of any shape whose keys are often right.
fn some_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "-?[0-9]{1,25}(\\.[0-9]{1,12})?s?".prop_map(Value::from),
        "[0-9]{1,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?Z"
            .prop_map(Value::from),
    ];
    let key = prop_oneof![
        4 => "(name|serialNumber|weight|kind|tags|limits|owner|email|parts|made_at|pause|blob|note)",
        1 => any::<String>(),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|map: BTreeMap<String, Value>| json!(map)),
        ]
    })
}

fn status_of(request: Request<Full<bytes::Bytes>>) -> StatusCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { World::trial(|_| json!({})).send(request).await.status })
}

proptest! {
    #[test]
    fn any_json_is_taken_or_refused(body in some_json()) {
        let status = status_of(with_json(Method::POST, "/trial/things", body.to_string()));
        prop_assert!([201, 400].contains(&status.as_u16()), "{status}");
    }

    #[test]
    fn any_bytes_are_taken_or_refused(body in any::<Vec<u8>>()) {
        let status = status_of(with_json(Method::PATCH, "/trial/things/7", body));
        prop_assert!([200, 400].contains(&status.as_u16()), "{status}");
    }

    #[test]
    fn any_path_leads_somewhere_or_nowhere(
        path in "/(trial/things/)?[ -~]{0,30}(\\?(q|since|age|kind|owner.email|[a-z.]{1,9})=[ -~]{0,20})?",
    ) {
        prop_assume!(path.parse::<Uri>().is_ok());
        let status = status_of(Request::get(path).body(Full::default()).unwrap());
        prop_assert!([200, 400, 404].contains(&status.as_u16()), "{status}");
    }
}
