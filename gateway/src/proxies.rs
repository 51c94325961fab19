//! The proxies in front of this port, and for whom they speak.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Once,
};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Who called a proxy; each adds at the end whom it was called by.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static(kit::forwarded::FOR);

/// The networks of proxies whose word on where a caller is counts; none, unless they are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

/// That a proxy isn't named is told once.
static UNNAMED: Once = Once::new();

impl Proxies {
    /// Where whoever sent a request is, whose connection comes from `peer`: the nearest address on its way that is none of
    /// the proxies'. What stands before that in the header is the sender's word.
    pub fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        let mut sender = peer;
        if peer.is_loopback() && !self.contains(peer) && headers.contains_key(X_FORWARDED_FOR) {
            UNNAMED.call_once(|| {
                tracing::warn!(
                    %peer,
                    "a proxy beside the gateway says whom it was called by and is not believed: name it in \
                     FLIGHTLINE_TRUSTED_PROXIES, or one who guesses passwords keeps everybody out"
                );
            });
        }
        for hop in hops {
            if !self.contains(sender) {
                break;
            }
            // What a proxy could not say or we can't read leads no further than to the proxy.
            let Some(address) = address(hop) else { break };
            sender = address;
        }
        sender
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The address in one entry of the header. Some proxies add the port.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let with_port = || Some(hop.parse::<SocketAddr>().ok()?.ip());
    Some(hop.parse().ok().or_else(with_port)?.to_canonical())
}

impl FromStr for Proxies {
    type Err = String;

    /// Reads `10.0.0.0/8, 192.0.2.7`.
    fn from_str(text: &str) -> Result<Self, String> {
        let named = text.split(',').map(str::trim).filter(|network| !network.is_empty());
        let read = |text: &str| {
            let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
            let network = text.parse().ok().or_else(single);
            network.ok_or_else(|| format!("{text} is no network, as in 10.0.0.0/8, and no address"))
        };
        named.map(read).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Where the sender of a request is that came from `peer` with these headers, behind proxies in two networks.
    fn sender(peer: &str, lines: &[&str]) -> String {
        let proxies: Proxies = "10.0.0.0/8, 192.0.2.7,2001:db8::/32".parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        proxies.sender(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_proxys_word_counts_and_what_its_caller_said_does_not() {
        for (peer, lines, found) in [
            ("10.1.2.3", &["203.0.113.9"][..], "203.0.113.9"),
            ("10.1.2.3", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            ("10.1.2.3", &["198.51.100.1,203.0.113.9 , 192.0.2.7"], "203.0.113.9"),
            ("10.1.2.3", &["198.51.100.1", "203.0.113.9", "192.0.2.7"], "203.0.113.9"),
            ("2001:db8::1", &["198.51.100.1, ::ffff:203.0.113.9"], "203.0.113.9"),
            ("10.1.2.3", &["198.51.100.1, 203.0.113.9:4711"], "203.0.113.9"),
            ("10.1.2.3", &["198.51.100.1, [2001:db9::1]:4711"], "2001:db9::1"),
            ("10.1.2.3", &["10.0.0.2, 10.0.0.1"], "10.0.0.2"),
        ] {
            assert_eq!(sender(peer, lines), found, "{peer}: {lines:?}");
        }
    }

    #[test]
    fn anybody_elses_word_counts_for_nothing() {
        for peer in ["203.0.113.9", "127.0.0.1", "192.0.2.8", "2001:db9::1"] {
            assert_eq!(sender(peer, &["198.51.100.1"]), peer);
        }
        let nobody = Proxies::default();
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, "198.51.100.1".parse().unwrap())]);
        let peer = "10.1.2.3".parse().unwrap();
        assert_eq!(nobody.sender(peer, &headers), peer);
    }

    #[test]
    fn what_is_no_address_leads_to_the_proxy_that_said_it() {
        for (lines, found) in [
            (&[][..], "10.1.2.3"),
            (&[""], "10.1.2.3"),
            (&["198.51.100.1, unknown"], "10.1.2.3"),
            (&["198.51.100.1, unknown, 10.0.0.1"], "10.0.0.1"),
            (&["198.51.100.1, é"], "10.1.2.3"),
        ] {
            assert_eq!(sender("10.1.2.3", lines), found, "{lines:?}");
        }
    }

    #[test]
    fn networks_and_single_addresses_are_named_and_nothing_else() {
        assert_eq!("".parse(), Ok(Proxies::default()));
        for bad in ["10.0.0.0/33", "ingress", "10.0.0.0/8 192.0.2.7", "10.0.0.1:80", "*"] {
            assert!(bad.parse::<Proxies>().is_err(), "{bad}");
        }
    }
}
