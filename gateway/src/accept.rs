//! What form of an answer the client takes (RFC 9110 §12.5).

use http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, ACCEPT_ENCODING},
};

/// How much the client likes `coding`, if it says so (§12.5.3).
pub fn coding(headers: &HeaderMap, coding: &str) -> Option<f32> {
    let values = joined(headers, &ACCEPT_ENCODING);
    let mut named = values.split(',').map(Range::parse);
    named.find(|range| range.kind.eq_ignore_ascii_case(coding)).map(|range| range.quality)
}

/// The one of `offers` that the client likes best, the first of equals; none if it takes none of them (§12.5.1).
pub fn choose<'a>(headers: &HeaderMap, offers: &[&'a str]) -> Option<&'a str> {
    let values = joined(headers, &ACCEPT);
    if values.trim().is_empty() {
        return offers.first().copied();
    }
    let ranges = values.split(',').map(Range::parse).collect::<Vec<_>>();

    let mut best = (0.0, None);
    for &offer in offers {
        let quality = quality(&ranges, offer);
        if best.0 < quality {
            best = (quality, Some(offer));
        }
    }
    best.1
}

/// All values of a header that is a list.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    values.collect::<Vec<_>>().join(",")
}

/// One element of the header: `text/*;q=0.5`.
struct Range<'a> {
    kind: &'a str,
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim_end().eq_ignore_ascii_case("q"))
            .map_or(1.0, |(_, value)| value.trim().parse().unwrap_or(0.0));
        Self { kind, quality }
    }

    /// How closely it names `offer`, if it does.
    fn closeness(&self, offer: &str) -> Option<u8> {
        if self.kind.eq_ignore_ascii_case(offer) {
            return Some(2);
        }
        if self.kind == "*/*" {
            return Some(0);
        }
        let family = self.kind.strip_suffix("/*")?;
        let of_offer = offer.split('/').next()?;
        family.eq_ignore_ascii_case(of_offer).then_some(1)
    }
}

/// The closest range decides.
fn quality(ranges: &[Range], offer: &str) -> f32 {
    ranges
        .iter()
        .filter_map(|range| Some((range.closeness(offer)?, range.quality)))
        .max_by_key(|(closeness, _)| *closeness)
        .map_or(0.0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn chosen(accept: &'static str) -> Option<&'static str> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        choose(&headers, &["application/x-ndjson", "text/event-stream"])
    }

    #[test]
    fn without_a_wish_the_first_offer_is_taken() {
        assert_eq!(choose(&HeaderMap::new(), &["a/b", "c/d"]), Some("a/b"));
        assert_eq!(chosen(""), Some("application/x-ndjson"));
        assert_eq!(chosen("*/*"), Some("application/x-ndjson"));
    }

    #[test]
    fn the_client_decides() {
        assert_eq!(chosen("text/event-stream"), Some("text/event-stream"));
        assert_eq!(chosen("Text/*;q=0.9, */*;q=0.1"), Some("text/event-stream"));
        assert_eq!(chosen("*/*, application/x-ndjson;q=0"), Some("text/event-stream"));
    }

    #[test]
    fn a_client_that_takes_none_of_the_offers_gets_none() {
        for accept in ["image/png", "*/*;q=0", "application/x-ndjson;q=x", "nonsense"] {
            assert_eq!(chosen(accept), None, "{accept}");
        }
    }
}
