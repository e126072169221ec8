//! Where clients are, by their addresses: a table of networks and the names of their regions.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Lines of a table.
const NETWORKS_MAX: usize = 1_024;
/// Regions that are told apart.
const REGIONS_MAX: usize = 64;
/// The longest name of a region, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The region of addresses that no line is about.
const OTHER: &str = "other";
/// What is known where nobody says anything else: RFC 1122, 1918, 3927, 4193 and 4291.
const BUILT_IN: &str = "\
127.0.0.0/8     loopback
::1/128         loopback
10.0.0.0/8      private
172.16.0.0/12   private
192.168.0.0/16  private
169.254.0.0/16  private
fc00::/7        private
fe80::/10       private
";

/// A table of networks and the names of their regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    names: Vec<String>,
    /// Networks, the longest prefix first.
    networks: Vec<(Network, usize)>,
}

/// A network, as `10.1.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// IPv4 addresses are those of `::ffff:0:0/96`.
    bits: u128,
    prefix: u32,
}

/// Why a table can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRegions(String);

impl fmt::Display for BadRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRegions {}

impl Default for Regions {
    fn default() -> Self {
        BUILT_IN.parse().unwrap_or(Self { names: vec![OTHER.into()], networks: Vec::new() })
    }
}

/// A line is a network and the name of its region, as `10.1.0.0/16 eu-west`; `#` begins a comment.
impl FromStr for Regions {
    type Err = BadRegions;

    fn from_str(text: &str) -> Result<Self, BadRegions> {
        let mut regions = Self { names: vec![OTHER.to_owned()], networks: Vec::new() };
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if line.is_empty() {
                continue;
            }
            let bad = |why: &str| BadRegions(format!("line {}: {why}: {line:?}", at + 1));
            let (network, name) =
                line.split_once(char::is_whitespace).ok_or_else(|| bad("the region's name is missing"))?;
            let name = name.trim();
            if name.len() > NAME_BYTES_MAX || name.contains(char::is_whitespace) {
                return Err(bad("a name is one word of at most 64 bytes"));
            }
            let network = network.parse().map_err(|why: BadRegions| bad(&why.0))?;
            let known = regions.names.iter().position(|known| known == name);
            let region = known.unwrap_or(regions.names.len());
            if known.is_none() {
                regions.names.push(name.to_owned());
            }
            regions.networks.push((network, region));
            if regions.names.len() > REGIONS_MAX || regions.networks.len() > NETWORKS_MAX {
                return Err(bad("a table has at most 64 regions and 1024 networks"));
            }
        }
        regions.networks.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix));
        Ok(regions)
    }
}

impl FromStr for Network {
    type Err = BadRegions;

    fn from_str(text: &str) -> Result<Self, BadRegions> {
        let bad = || BadRegions("a network is ADDRESS/BITS".to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let prefix: u32 = prefix.parse().map_err(|_| bad())?;
        let before = if address.is_ipv4() { 96 } else { 0 };
        if prefix + before > 128 {
            return Err(bad());
        }
        let network = Self { bits: bits(address), prefix: prefix + before };
        match network.bits & !network.mask() {
            0 => Ok(network),
            _ => Err(BadRegions("bits behind the prefix are set".to_owned())),
        }
    }
}

impl Network {
    /// Whether it has this address.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        bits(address) & self.mask() == self.bits
    }

    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0)
    }
}

impl Regions {
    /// The names of all regions.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The region of an address, by its place among the names.
    pub(crate) fn of(&self, address: IpAddr) -> usize {
        let found = self.networks.iter().find(|(network, _)| network.has(address));
        found.map_or(0, |(_, region)| *region)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region<'r>(regions: &'r Regions, address: &str) -> &'r str {
        &regions.names()[regions.of(address.parse().unwrap())]
    }

    #[test]
    fn addresses_are_placed_without_a_table() {
        let regions = Regions::default();
        for (address, wanted) in [
            ("127.0.0.1", "loopback"),
            ("::1", "loopback"),
            ("::ffff:127.1.2.3", "loopback"),
            ("172.31.255.255", "private"),
            ("172.32.0.0", "other"),
            ("fd00::1", "private"),
            ("8.8.8.8", "other"),
            ("2001:db8::1", "other"),
        ] {
            assert_eq!(region(&regions, address), wanted, "{address}");
        }
    }

    #[test]
    fn the_longest_prefix_decides() {
        let table = "# ours\n0.0.0.0/0 earth\n10.0.0.0/8 lan # all\n10.1.0.0/16 eu-west\n::/0 six\n";
        let regions: Regions = table.parse().unwrap();
        for (address, wanted) in
            [("10.1.2.3", "eu-west"), ("10.2.2.3", "lan"), ("8.8.8.8", "earth"), ("2001:db8::1", "six")]
        {
            assert_eq!(region(&regions, address), wanted, "{address}");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        for (table, words) in [
            ("10.0.0.0/8", "name is missing"),
            ("10.0.0.0 lan", "ADDRESS/BITS"),
            ("10.0.0.0/33 lan", "ADDRESS/BITS"),
            ("10.0.0.1/8 lan", "behind the prefix"),
            ("10.0.0.0/8 two words", "one word"),
        ] {
            let error = format!("\n{table}").parse::<Regions>().unwrap_err().to_string();
            assert!(error.starts_with("line 2: ") && error.contains(words), "{error}");
        }
    }
}
