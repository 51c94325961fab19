//! Keyset pages: the last page costs what the first costs, and a row is never shown twice because another was added.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use prost::Message;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{Error, Result, seal::Seal};

const DEFAULT_SIZE: i32 = 50;
const LARGEST_SIZE: i32 = 1000;
/// How large the rows of a page may be together: a client of gRPC takes 4 MiB of an answer, unless it is told to take more.
const MOST_BYTES: usize = 3 << 20;

/// Reads which page a list request asks for. Takes `page_size` and `page_token` out of it; what is left is the filter, for
/// which alone the next page's token is good. Tokens are sealed with the key of `db`, the service's own database.
#[macro_export]
macro_rules! page {
    ($db:expr, $request:expr) => {{
        let size = std::mem::take(&mut $request.page_size);
        let token = std::mem::take(&mut $request.page_token);
        $crate::Page::parse($db.seal(), size, &token, &$request)
    }};
}

/// One page of a list that is ordered by a unique key `K`.
#[derive(Clone, Debug)]
pub struct Page<K> {
    /// Show only what comes after this key.
    pub after: Option<K>,
    size: i32,
    filter: String,
    seal: Seal,
}

/// What a page token says: its JSON, sealed.
#[derive(Serialize, Deserialize)]
struct Token<K> {
    /// Fingerprint of the filter that the list was asked with.
    filter: String,
    after: K,
}

impl<K: Serialize + DeserializeOwned> Page<K> {
    /// Reads what a list request asks for. `filter` is the request without `page_size` and `page_token`.
    ///
    /// # Errors
    ///
    /// The token is not one of ours, or was made for another filter.
    pub fn parse(seal: &Seal, size: i32, token: &str, filter: &impl Message) -> Result<Self> {
        let size = if size <= 0 { DEFAULT_SIZE } else { size.min(LARGEST_SIZE) };
        let page = Self { after: None, size, filter: fingerprint(filter), seal: seal.clone() };
        if token.is_empty() {
            return Ok(page);
        }
        let refuse = |problem: &str| Error::invalid("page_token", problem);
        let json = seal.open(token).ok_or_else(|| refuse("is not a page token of this list"))?;
        // A release may order a list anew: by then its old tokens are worth nothing.
        let token = serde_json::from_slice::<Token<K>>(&json).ok();
        let token = token.filter(|token| token.filter == page.filter);
        let token = token.ok_or_else(|| refuse("was made for another filter"))?;
        Ok(Self { after: Some(token.after), ..page })
    }

    /// How many rows to fetch: one more than the page holds tells whether there is another.
    pub fn limit(&self) -> i64 {
        i64::from(self.size) + 1
    }

    /// Cuts `rows` to the page, in the form that `wire` gives them, and makes the token of the next one; empty on the last page.
    /// A page of large rows ends before it is more than callers take.
    pub fn cut<T, M: Message>(
        &self,
        rows: Vec<T>,
        key: impl Fn(&T) -> K,
        wire: impl Fn(T) -> M,
    ) -> Result<(Vec<M>, String)> {
        let (size, count) = (usize::try_from(self.size).unwrap_or_default(), rows.len());
        let (mut shown, mut last, mut bytes) = (Vec::new(), None, 0);
        for row in rows.into_iter().take(size) {
            let key = key(&row);
            let message = wire(row);
            bytes += message.encoded_len();
            // One is shown, whatever it weighs: else nobody would get past it.
            if MOST_BYTES < bytes && last.is_some() {
                break;
            }
            shown.push(message);
            last = Some(key);
        }
        let token = match last {
            Some(last) if shown.len() < count => self.token(last)?,
            _ => String::new(),
        };
        Ok((shown, token))
    }

    /// The token of the page after `after`: of a list that ends a page before it is full, because it has looked at enough.
    pub fn token(&self, after: K) -> Result<String> {
        let token = Token { filter: self.filter.clone(), after };
        let json = serde_json::to_vec(&token).map_err(anyhow::Error::from)?;
        self.seal.close(json)
    }
}

/// Names the list as well: two lists without a filter are two lists.
fn fingerprint<M: Message>(filter: &M) -> String {
    let mut digest = Sha256::new_with_prefix(std::any::type_name::<M>());
    digest.update(filter.encode_to_vec());
    let digest = digest.finalize();
    BASE64_URL_SAFE_NO_PAD.encode(&digest[..9])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(seal: &Seal, size: i32, token: &str, filter: i64) -> Result<Page<i64>> {
        Page::parse(seal, size, token, &filter)
    }

    #[test]
    fn pages_join_without_gap_or_overlap() {
        let (seal, all) = (Seal::random(), (0..10).collect::<Vec<i64>>());
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = page(&seal, 3, &token, 0).unwrap();
            let rest =
                all.iter().copied().filter(|row| page.after.is_none_or(|after| after < *row));
            let rows = rest.take(usize::try_from(page.limit()).unwrap()).collect();
            let (rows, next) = page.cut(rows, |row| *row, |row| row).unwrap();
            seen.extend(rows);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_page_of_large_rows_ends_early_and_shows_one_at_least() {
        let page = page(&Seal::random(), 10, "", 0).unwrap();
        let cut = |bytes: usize| {
            let (rows, next) = page.cut(vec![0, 1, 2], |row| *row, |_| "x".repeat(bytes)).unwrap();
            (rows.len(), next.is_empty())
        };

        assert_eq!(cut(MOST_BYTES / 3 - 9), (3, true));
        assert_eq!(cut(MOST_BYTES / 2 - 9), (2, false));
        assert_eq!(cut(MOST_BYTES), (1, false));
    }

    #[test]
    fn a_token_serves_one_filter_only() {
        let seal = Seal::random();
        let (_, token) =
            page(&seal, 1, "", 7).unwrap().cut(vec![1, 2], |row| *row, |row| row).unwrap();
        assert_eq!(page(&seal, 1, &token, 7).unwrap().after, Some(1));

        let other_list = Page::<i64>::parse(&seal, 1, &token, &7_u64);
        let other_key = Page::<String>::parse(&seal, 1, &token, &7_i64);
        assert!(page(&seal, 1, &token, 8).is_err());
        assert!(page(&Seal::random(), 1, &token, 7).is_err(), "of another service");
        assert!(other_list.is_err(), "the same bytes of another list");
        assert!(other_key.is_err(), "a list that is ordered by something else now");
    }

    #[test]
    fn a_token_made_by_hand_is_refused() {
        let seal = Seal::random();
        let filter = fingerprint(&7_i64);
        let json = format!(r#"{{"filter":"{filter}","after":1}}"#);
        for forged in [BASE64_URL_SAFE_NO_PAD.encode(&json), json, "nonsense".into()] {
            assert!(page(&seal, 1, &forged, 7).is_err(), "{forged}");
        }
    }

    #[test]
    fn a_page_holds_50_by_default_and_1000_at_most() {
        let seal = Seal::random();
        assert_eq!(page(&seal, 0, "", 0).unwrap().limit(), 51);
        assert_eq!(page(&seal, 1_000_000, "", 0).unwrap().limit(), 1001);
    }
}
