//! Which base URLs are taken. Says what is wrong without quoting the URL: it may
//! hold a password.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Everything that is wrong with a base URL.
pub(crate) fn problems(url: &Url) -> Vec<&'static str> {
    let mut found = Vec::new();
    match url.scheme() {
        _ if keeps_private(url) => {}
        "http" => found.push("the base url must be https; plain http is for loopback only"),
        _ => found.push("the base url must be https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        found.push("the base url must hold no user or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        found.push("the base url must end with its path: no query, no fragment");
    }
    match url.host() {
        None => found.push("the base url names no host"),
        Some(Host::Domain(name)) if is_metadata_name(name) => found.push(METADATA),
        Some(Host::Ipv4(ip)) if is_forbidden_v4(ip) => found.push(METADATA),
        Some(Host::Ipv6(ip)) if is_forbidden_v6(ip) => found.push(METADATA),
        Some(_) => {}
    }
    found
}

const METADATA: &str =
    "the base url points to a link-local, metadata, multicast or unspecified address";

/// Whether nobody between here and there can read along: https, or plain http to
/// this machine.
pub(crate) fn keeps_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn is_metadata_name(name: &str) -> bool {
    matches!(
        name.trim_end_matches('.'),
        "metadata" | "metadata.google.internal" | "instance-data"
    )
}

fn is_forbidden_v4(ip: Ipv4Addr) -> bool {
    // Metadata services outside the link-local range: Alibaba, Azure, Oracle.
    const METADATA: [Ipv4Addr; 3] = [
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(168, 63, 129, 16),
        Ipv4Addr::new(192, 0, 0, 192),
    ];
    ip.is_link_local()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_broadcast()
        || METADATA.contains(&ip)
}

fn is_forbidden_v6(ip: Ipv6Addr) -> bool {
    // AWS answers here besides 169.254.169.254.
    const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let inside = match ip.to_canonical() {
        IpAddr::V4(ip) => Some(ip),
        // 64:ff9b::/96 carries an IPv4 address through a NAT64 gateway.
        IpAddr::V6(ip) => match ip.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
            }
            _ => None,
        },
    };
    ip.is_unicast_link_local()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip == AWS
        || inside.is_some_and(is_forbidden_v4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_and_plain_http_to_loopback_only() {
        for fine in [
            "https://crm.example",
            "https://crm.example/api/v2/",
            "https://10.0.0.5",
            "http://127.0.0.1:8080",
            "http://127.9.9.9",
            "http://[::1]:9/x",
            "http://localhost:1",
        ] {
            assert!(problems(&Url::parse(fine).unwrap()).is_empty(), "{fine}");
        }
        for bad in [
            "http://crm.example",
            "http://10.0.0.5",
            "http://localhost.crm.example",
            "ftp://crm.example",
            "file:///etc/passwd",
            "https://user@crm.example",
            "https://:pw@crm.example",
            "https://crm.example/?a=b",
            "https://crm.example/#x",
        ] {
            assert!(!problems(&Url::parse(bad).unwrap()).is_empty(), "{bad}");
        }
    }

    #[test]
    fn metadata_addresses_are_refused_in_every_spelling() {
        for bad in [
            "https://169.254.169.254",
            "https://0xa9fea9fe",
            "https://2852039166",
            "https://[::ffff:169.254.169.254]",
            "https://[64:ff9b::a9fe:a9fe]",
            "https://[fe80::1]",
            "https://[fd00:ec2::254]",
            "https://100.100.100.200",
            "https://metadata.google.internal",
            "https://0.0.0.0",
            "https://[::]",
        ] {
            assert!(!problems(&Url::parse(bad).unwrap()).is_empty(), "{bad}");
        }
    }
}
