//! Secrets in every form in which something might show them.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};

/// The shortest secret that is told from anything else.
const SHORTEST: usize = 8;
/// What a machine's key begins with, and how many characters of base64url follow.
const KEY: &str = "fl_";
const KEY_LENGTH: usize = 43;

/// What is looked for: each secret as it is, escaped, percent-encoded, in hexadecimal and in base64.
pub struct Secrets {
    forms: AhoCorasick,
    /// Whose form each is.
    names: Vec<String>,
    /// Which of the forms is but the beginning of what is looked for.
    key: Option<usize>,
}

impl Secrets {
    /// Secrets, each with what to call it.
    ///
    /// # Panics
    ///
    /// One is too short to be told from anything else.
    pub fn new<N: Into<String>, S: AsRef<str>>(secrets: impl IntoIterator<Item = (N, S)>) -> Self {
        let (mut forms, mut names) = (Vec::new(), Vec::new());
        for (name, secret) in secrets {
            let (name, secret) = (name.into(), secret.as_ref());
            assert!(SHORTEST <= secret.len(), "{name} is too short to be looked for");
            for form in self::forms(secret) {
                forms.push(form);
                names.push(name.clone());
            }
        }
        Self { forms: AhoCorasick::new(forms).unwrap(), names, key: None }
    }

    /// Tokens and tickets, known by `beginnings`, machines' keys, known by their form, and whatever bears `mark`.
    pub(super) fn standing(mark: &str, beginnings: &[&str]) -> Self {
        let mut forms = self::forms(mark);
        let mut names = vec!["the tests' mark".to_owned(); forms.len()];
        for token in beginnings.iter().copied().flat_map(self::forms) {
            forms.push(token);
            names.push("a token or ticket".to_owned());
        }
        let key = Some(forms.len());
        forms.push(KEY.into());
        names.push("a machine's key".to_owned());
        Self { forms: AhoCorasick::new(forms).unwrap(), names, key }
    }

    /// The names of those that are in `bytes`.
    #[must_use]
    pub fn in_bytes(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let found = self.forms.find_overlapping_iter(bytes);
        found
            .filter(|found| {
                Some(found.pattern().as_usize()) != self.key || is_key(&bytes[found.end()..])
            })
            .map(|found| self.names[found.pattern()].as_str())
            .collect()
    }
}

/// Whether what follows the beginning of a key makes one.
fn is_key(rest: &[u8]) -> bool {
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    rest.iter().take_while(|byte| is_base64url(byte)).count() >= KEY_LENGTH
}

/// All the forms of one secret.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex = |byte: &u8| format!("{byte:02x}");
    let lower: String = secret.bytes().map(|byte| hex(&byte)).collect();
    let query: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::to_string(secret).unwrap();
    let debug = format!("{secret:?}");
    let mut forms: BTreeSet<Vec<u8>> = [
        secret.to_owned(),
        secret.escape_default().to_string(),
        secret.as_bytes().escape_ascii().to_string(),
        json[1..json.len() - 1].to_owned(),
        debug[1..debug.len() - 1].to_owned(),
        query.replace('+', "%20"),
        query,
        lower.to_uppercase(),
        lower,
    ]
    .map(String::into_bytes)
    .into();
    for before in 0..3 {
        forms.insert(base64(secret, before, |bytes| BASE64_STANDARD_NO_PAD.encode(bytes)));
        forms.insert(base64(secret, before, |bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes)));
    }
    forms.into_iter().collect()
}

/// What of `secret` shows in base64, whatever stands around it, where `before` bytes more than whole groups come first.
fn base64(secret: &str, before: usize, encode: impl Fn(Vec<u8>) -> String) -> Vec<u8> {
    let bytes: Vec<u8> = vec![0; before].into_iter().chain(secret.bytes()).collect();
    let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    encode(bytes)[first..last].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "käfig \"offen\" + leer?>";

    fn is_found(text: &str) -> bool {
        !Secrets::new([("the password", PASSWORD)]).in_bytes(text.as_bytes()).is_empty()
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        assert!(is_found(&format!("password={PASSWORD}, and more")));
        assert!(is_found(&format!("{:?}", Some(PASSWORD))));
        assert!(is_found(&PASSWORD.as_bytes().escape_ascii().to_string()));
        assert!(is_found(&serde_json::json!({ "password": PASSWORD }).to_string()));
        assert!(is_found("GET /x?password=k%C3%A4fig+%22offen%22+%2B+leer%3F%3E HTTP/1.1"));
        assert!(is_found("k%C3%A4fig%20%22offen%22%20%2B%20leer%3F%3E"));
        assert!(is_found(
            "\\x6bc3a46669672022 6f6666656e22202b206c6565723f3e".replace(' ', "").as_str()
        ));
        for before in ["", "a", "ab", "abc", "Basic: "] {
            for after in ["", "x", "xy"] {
                let text = format!("{before}{PASSWORD}{after}");
                assert!(is_found(&BASE64_STANDARD_NO_PAD.encode(&text)), "{text}");
                assert!(is_found(&BASE64_URL_SAFE_NO_PAD.encode(&text)), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_secret_is_not_found() {
        for text in ["", "password", "käfig", "offen", &PASSWORD[..PASSWORD.len() - 1]] {
            assert!(!is_found(text), "{text}");
        }
    }

    #[test]
    fn every_secret_is_named() {
        let secrets =
            Secrets::new([("one", "11111111"), ("two", "22222222"), ("three", "33333333")]);
        let found = secrets.in_bytes(b"22222222 11111111");
        assert_eq!(found, BTreeSet::from(["one", "two"]));
    }

    #[test]
    fn keys_and_tokens_are_known_by_their_form() {
        let secrets = Secrets::standing("the mark of all", &["eyJ0eXAi", "eyJhbGci"]);
        let found = |text: &str| secrets.in_bytes(text.as_bytes()).into_iter().next();
        let key = format!("key=\"fl_{}\"", "aB3_-".repeat(9));

        assert_eq!(found(&key), Some("a machine's key"));
        assert_eq!(found("authorization: Bearer eyJ0eXAi.x.y"), Some("a token or ticket"));
        assert_eq!(found("the mark of all"), Some("the tests' mark"));
        for nothing in ["the keys begin with fl_", &key[..40], "fl_too short fl_ again"] {
            assert_eq!(found(nothing), None, "{nothing}");
        }
    }
}
