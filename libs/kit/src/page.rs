//! Keyset pages: the last page costs what the first costs, and a row is never shown twice because another was added.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use prost::Message;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

const DEFAULT_SIZE: i32 = 50;
const LARGEST_SIZE: i32 = 1000;

/// Reads which page a list request asks for. Takes `page_size` and `page_token` out of it; what is left is the filter, for
/// which alone the next page's token is good.
#[macro_export]
macro_rules! page {
    ($request:expr) => {{
        let size = std::mem::take(&mut $request.page_size);
        let token = std::mem::take(&mut $request.page_token);
        $crate::Page::parse(size, &token, &$request)
    }};
}

/// One page of a list that is ordered by a unique key `K`.
#[derive(Clone, Debug)]
pub struct Page<K> {
    /// Show only what comes after this key.
    pub after: Option<K>,
    size: i32,
    filter: String,
}

/// What a page token says, as base64url of its JSON.
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
    pub fn parse(size: i32, token: &str, filter: &impl Message) -> Result<Self> {
        let size = if size <= 0 { DEFAULT_SIZE } else { size.min(LARGEST_SIZE) };
        let filter = fingerprint(filter);
        if token.is_empty() {
            return Ok(Self { after: None, size, filter });
        }
        let refuse = |problem: &str| Error::invalid("page_token", problem);
        let json =
            BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| refuse("is not a page token"))?;
        // No key of ours holds a NUL, which PostgreSQL can't compare with.
        let token = serde_json::from_slice(&json).ok().filter(|_| !holds_nul(&json));
        let token: Token<K> = token.ok_or_else(|| refuse("is not a page token of this list"))?;
        if token.filter != filter {
            return Err(refuse("was made for another filter"));
        }
        Ok(Self { after: Some(token.after), size, filter })
    }

    /// How many rows to fetch: one more than the page holds tells whether there is another.
    pub fn limit(&self) -> i64 {
        i64::from(self.size) + 1
    }

    /// Cuts `rows` to the page and makes the token of the next one; empty on the last page.
    pub fn cut<T>(&self, mut rows: Vec<T>, key: impl FnOnce(&T) -> K) -> Result<(Vec<T>, String)> {
        let size = usize::try_from(self.size).unwrap_or_default();
        if rows.len() <= size {
            return Ok((rows, String::new()));
        }
        rows.truncate(size);
        let Some(last) = rows.last() else { return Ok((rows, String::new())) };
        let token = Token { filter: self.filter.clone(), after: key(last) };
        let json = serde_json::to_vec(&token).map_err(anyhow::Error::from)?;
        Ok((rows, BASE64_URL_SAFE_NO_PAD.encode(json)))
    }
}

/// Whether some text in `json` has the character NUL in it.
fn holds_nul(json: &[u8]) -> bool {
    json.windows(6).any(|bytes| bytes == br"\u0000")
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

    fn page(size: i32, token: &str, filter: i64) -> Result<Page<i64>> {
        Page::parse(size, token, &filter)
    }

    #[test]
    fn pages_join_without_gap_or_overlap() {
        let all: Vec<i64> = (0..10).collect();
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = page(3, &token, 0).unwrap();
            let rest =
                all.iter().copied().filter(|row| page.after.is_none_or(|after| after < *row));
            let rows = rest.take(usize::try_from(page.limit()).unwrap()).collect();
            let (rows, next) = page.cut(rows, |row| *row).unwrap();
            seen.extend(rows);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_token_serves_one_filter_only() {
        let (_, token) = page(1, "", 7).unwrap().cut(vec![1, 2], |row| *row).unwrap();
        assert!(page(1, &token, 7).is_ok());
        assert!(page(1, &token, 8).is_err());
        assert!(page(1, "nonsense", 7).is_err());
        assert!(Page::<i64>::parse(1, &token, &7_u64).is_err(), "the same bytes of another list");
    }

    #[test]
    fn a_token_with_a_nul_in_it_is_refused() {
        let (_, token) =
            Page::parse(1, "", &7).unwrap().cut(vec!["a\0".to_owned(); 2], String::clone).unwrap();
        assert!(Page::<String>::parse(1, &token, &7).is_err());
    }

    #[test]
    fn a_page_holds_50_by_default_and_1000_at_most() {
        assert_eq!(page(0, "", 0).unwrap().limit(), 51);
        assert_eq!(page(1_000_000, "", 0).unwrap().limit(), 1001);
    }
}
