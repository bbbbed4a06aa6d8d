//! Classification of addresses: public, private or special, including notations that hide a private
//! address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reports whether `address` is global unicast: not private, shared, loopback, link-local,
/// multicast, reserved or for documentation (the IANA registries of special-purpose addresses, RFC
/// 6890 and its successors), and not an IPv6 form (mapped, NAT64, 6to4) of such an address.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

/// Networks that are not global, with the first address and the prefix length.
const NOT_GLOBAL_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),     // this network
    ([10, 0, 0, 0], 8),    // private
    ([100, 64, 0, 0], 10), // shared, behind a provider's NAT
    ([127, 0, 0, 0], 8),   // loopback
    // a cloud's internal services (Azure WireServer), at an address that looks public
    ([168, 63, 129, 16], 32),
    ([169, 254, 0, 0], 16),  // link-local: instance metadata
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 31, 196, 0], 24), // AS112
    ([192, 52, 193, 0], 24), // AMT
    ([192, 88, 99, 0], 24),  // 6to4 relays
    ([192, 168, 0, 0], 16),  // private
    ([192, 175, 48, 0], 24), // AS112
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 3),     // multicast, reserved, broadcast
];

fn is_global_v4(address: Ipv4Addr) -> bool {
    let within = |network: [u8; 4], length: u32| {
        (address.to_bits() ^ u32::from_be_bytes(network)).leading_zeros() >= length
    };
    !NOT_GLOBAL_V4.iter().any(|(network, length)| within(*network, *length))
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        is_global_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] => return v4(g, h), // mapped
        // NAT64, synthesised by a DNS resolver in a network without IPv4
        [0x64, 0xff9b, 0, 0, 0, 0] => return v4(g, h),
        [0x2002, high, low, ..] => return v4(high, low), // 6to4
        _ => {}
    }
    let special = match a {
        0x2001 => b < 0x200 || b == 0xdb8, // protocol assignments, Teredo among them; documentation
        0x3fff => b < 0x1000,              // documentation
        _ => false,
    };
    // Everything that was ever allocated as global unicast.
    a & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOBAL: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "52.216.1.2",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:1.1.1.1",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "3ffe::1",
        "3fff:1000::1",
    ];

    const NOT_GLOBAL: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];

    #[test]
    fn public_addresses_are_told_from_all_others() {
        for text in GLOBAL {
            assert!(is_global(text.parse().unwrap()), "{text}");
        }
        for text in NOT_GLOBAL {
            assert!(!is_global(text.parse().unwrap()), "{text}");
        }
    }
}
