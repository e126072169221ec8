//! A plan from its file, or in words what is wrong with it, and on which line.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Allow, Link, Plan, Quality, Segment, units, ways};

/// Segments that a plan may have.
const SEGMENTS_MAX: usize = 64;
/// The longest name of a segment, in bytes.
const NAME_BYTES_MAX: usize = 32;

/// What is wrong with a plan.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What is wrong there.
    pub(crate) words: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.words)
    }
}

/// Reads a plan for a network of these services.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn read(text: &str, services: &[&str]) -> Result<Plan, Wrong> {
    let reader = Reader { text, services };
    let whole = DeTable::parse(text).map_err(|error| {
        let line = reader.line(&error.span().unwrap_or_default());
        Wrong { line, words: error.message().replace('\n', ", ") }
    })?;
    reader.plan(&Table::of(&whole, "the file"))
}

struct Reader<'a> {
    text: &'a str,
    services: &'a [&'a str],
}

/// A table of the file, and what it is.
struct Table<'a> {
    what: &'a str,
    at: Range<usize>,
    entries: &'a DeTable<'a>,
}

/// A value of the file.
type Value<'a> = Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    fn of(table: &'a Spanned<DeTable<'a>>, what: &'a str) -> Self {
        Self { what, at: table.span(), entries: table.get_ref() }
    }

    fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.entries.get(key)
    }
}

impl<'a> Reader<'a> {
    fn plan(&self, whole: &Table<'_>) -> Result<Plan, Wrong> {
        self.keys(whole, &["segment", "link", "allow"])?;
        let segments = self.segments(whole)?;
        let links = self.links(whole, &segments)?;
        let ways = ways::find(&segments, &links).map_err(|[one, other]| {
            let (one, other) = (&segments[one].name, &segments[other].name);
            let words = format!(
                "nothing joins the segments {one} and {other}: add a [[link]] with between = [\"{one}\", \"{other}\"]"
            );
            self.wrong(&(self.text.len()..self.text.len()), words)
        })?;
        let allows = self.allows(whole, &segments)?;
        let services = self.services.iter().map(|name| (*name).to_owned()).collect();
        Ok(Plan { segments, links, allows, source: self.text.to_owned(), services, ways })
    }

    fn segments(&self, whole: &Table<'_>) -> Result<Vec<Segment>, Wrong> {
        let named = match whole.get("segment") {
            None => return Err(self.wrong(&whole.at, "a network has segments: [segment.NAME], with members")),
            Some(value) => self.table(value, "segment")?,
        };
        let mut tables: Vec<_> = named.entries.iter().collect();
        tables.sort_by_key(|(name, _)| name.span().start);
        if tables.len() > SEGMENTS_MAX {
            return Err(self.wrong(&named.at, format!("more than {SEGMENTS_MAX} segments")));
        }
        let mut segments: Vec<Segment> = Vec::new();
        for (key, value) in tables {
            let name = key.get_ref().to_string();
            if !is_name(&name) || name.len() > NAME_BYTES_MAX {
                let words = format!(
                    "{name:?} is no name for a segment: up to {NAME_BYTES_MAX} letters, digits, - and _"
                );
                return Err(self.wrong(&key.span(), words));
            }
            if self.services.contains(&&*name) {
                let words = format!("a segment can't be called {name}, as a service is: take another name");
                return Err(self.wrong(&key.span(), words));
            }
            let what = format!("segment {name}");
            let table = self.table(value, &what)?;
            self.keys(&table, &["members", "latency", "jitter", "loss", "bandwidth"])?;
            let members = self.members(&table, &segments)?;
            segments.push(Segment { name, members, within: self.quality(&table)? });
        }
        Ok(segments)
    }

    fn members(&self, table: &Table<'_>, before: &[Segment]) -> Result<Vec<String>, Wrong> {
        let Some(value) = table.get("members") else {
            let words = format!("{} has no members: add members = [\"{}\"]", table.what, self.services[0]);
            return Err(self.wrong(&table.at, words));
        };
        let mut members: Vec<String> = Vec::new();
        for (member, at) in self.names(value, "members")? {
            if self.service_of(&member).is_none() {
                return Err(self.unknown(&at, &member, "a service nor an instance", self.services));
            }
            let other = before.iter().find(|segment| segment.members.contains(&member));
            if let Some(other) = other {
                return Err(self.wrong(&at, format!("{member} is in the segment {} already", other.name)));
            }
            if members.contains(&member) {
                return Err(self.wrong(&at, format!("{member} is named twice")));
            }
            members.push(member);
        }
        Ok(members)
    }

    fn links(&self, whole: &Table<'_>, segments: &[Segment]) -> Result<Vec<Link>, Wrong> {
        let mut links: Vec<Link> = Vec::new();
        for table in self.tables(whole, "link")? {
            self.keys(&table, &["between", "latency", "jitter", "loss", "bandwidth"])?;
            let value = table.get("between").ok_or_else(|| {
                self.wrong(&table.at, "a link has no ends: add between = [\"ONE\", \"OTHER\"]")
            })?;
            let mut ends = Vec::new();
            for (name, at) in self.names(value, "between")? {
                let place = segments.iter().position(|segment| segment.name == name);
                let names: Vec<&str> = segments.iter().map(|segment| &*segment.name).collect();
                ends.push(place.ok_or_else(|| self.unknown(&at, &name, "a segment", &names))?);
            }
            let between = match ends[..] {
                [one, other] if one != other => [one, other],
                _ => return Err(self.wrong(&value.span(), "a link is between two segments, one and another")),
            };
            let joins = |link: &Link| link.between == between || link.between == [between[1], between[0]];
            if links.iter().any(joins) {
                let [one, other] = between.map(|end| &segments[end].name);
                return Err(self.wrong(&value.span(), format!("{one} and {other} have a link already")));
            }
            links.push(Link { between, quality: self.quality(&table)? });
        }
        Ok(links)
    }

    fn allows(&self, whole: &Table<'_>, segments: &[Segment]) -> Result<Vec<Allow>, Wrong> {
        let mut allows = Vec::new();
        for table in self.tables(whole, "allow")? {
            self.keys(&table, &["from", "to"])?;
            let [from, to] = ["from", "to"].map(|key| {
                let value = table.get(key).ok_or_else(|| {
                    self.wrong(
                        &table.at,
                        format!("an allow rule says from whom and to whom: add {key} = [\"…\"]"),
                    )
                })?;
                self.parties(value, key, segments)
            });
            let ((from, from_written), (to, to_written)) = (from?, to?);
            allows.push(Allow { from, to, written: [from_written, to_written], line: self.line(&table.at) });
        }
        Ok(allows)
    }

    /// Services that are named, or in a segment that is; and the names.
    fn parties(
        &self,
        value: &Value<'_>,
        key: &str,
        segments: &[Segment],
    ) -> Result<(Vec<String>, Vec<String>), Wrong> {
        let (mut services, mut written): (Vec<String>, Vec<String>) = Default::default();
        for (name, at) in self.names(value, key)? {
            let segment = segments.iter().find(|segment| segment.name == name);
            match segment {
                _ if name == "*" => services.extend(self.services.iter().map(|name| (*name).to_owned())),
                _ if self.services.contains(&&*name) => services.push(name.clone()),
                // Calls are allowed between services, whichever instances they have.
                Some(segment) => {
                    services.extend(segment.members.iter().filter_map(|member| self.service_of(member)));
                }
                None => {
                    let segments = segments.iter().map(|segment| &*segment.name);
                    let known: Vec<&str> = self.services.iter().copied().chain(segments).collect();
                    return Err(self.unknown(&at, &name, "a service nor a segment", &known));
                }
            }
            written.push(name);
        }
        services.sort_unstable();
        services.dedup();
        Ok((services, written))
    }

    fn quality(&self, table: &Table<'_>) -> Result<Quality, Wrong> {
        Ok(Quality {
            latency_us: self.unit(table, "latency", units::time_us)?,
            jitter_us: self.unit(table, "jitter", units::time_us)?,
            loss_permille: self.unit(table, "loss", units::permille)?,
            bytes_per_s: self.unit(table, "bandwidth", units::bytes_per_s)?,
        })
    }

    fn unit<T: Default>(
        &self,
        table: &Table<'_>,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Wrong> {
        let Some(value) = table.get(key) else { return Ok(T::default()) };
        let text = value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.wrong(&value.span(), format!("{key} is written in quotes, with its unit")))?;
        read(text).map_err(|why| self.wrong(&value.span(), format!("{key} of {}: {why}", table.what)))
    }

    /// The service of a member: it is one, or one of its instances.
    fn service_of(&self, member: &str) -> Option<String> {
        let is_service = |name: &str| self.services.contains(&name);
        let of_instance = || {
            let (service, number) = member.rsplit_once('-')?;
            (is_service(service) && number.parse::<u32>().is_ok_and(|number| number > 0)).then_some(service)
        };
        let service = if is_service(member) { Some(member) } else { of_instance() };
        service.map(str::to_owned)
    }

    fn table<'v>(&self, value: &'v Value<'v>, what: &'v str) -> Result<Table<'v>, Wrong> {
        let entries = value.get_ref().as_table();
        let entries = entries.ok_or_else(|| self.wrong(&value.span(), format!("{what} is no table")))?;
        Ok(Table { what, at: value.span(), entries })
    }

    /// The tables `[[key]]`.
    fn tables<'v>(&self, whole: &Table<'v>, key: &'v str) -> Result<Vec<Table<'v>>, Wrong> {
        let Some(value) = whole.get(key) else { return Ok(Vec::new()) };
        let array = value
            .get_ref()
            .as_array()
            .ok_or_else(|| self.wrong(&value.span(), format!("there may be many of it: write [[{key}]]")))?;
        array.iter().map(|value| self.table(value, key)).collect()
    }

    /// One name, or many.
    fn names(&self, value: &Value<'_>, key: &str) -> Result<Vec<(String, Range<usize>)>, Wrong> {
        let name = |value: &Value<'_>| {
            let text = value.get_ref().as_str().map(|text| (text.to_owned(), value.span()));
            text.ok_or_else(|| self.wrong(&value.span(), format!("{key} are names, in quotes")))
        };
        match value.get_ref().as_array() {
            None => Ok(vec![name(value)?]),
            Some(array) if array.is_empty() => Err(self.wrong(&value.span(), format!("{key} names nobody"))),
            Some(array) => array.iter().map(name).collect(),
        }
    }

    /// That a table has no other keys.
    fn keys(&self, table: &Table<'_>, known: &[&str]) -> Result<(), Wrong> {
        let other = table.entries.keys().find(|key| !known.contains(&&**key.get_ref()));
        let Some(key) = other else { return Ok(()) };
        let words = format!("{} has no key {:?}: there are {}", table.what, key.get_ref(), known.join(", "));
        Err(self.wrong(&key.span(), words))
    }

    fn unknown(&self, at: &Range<usize>, name: &str, what: &str, known: &[&str]) -> Wrong {
        let neither = if what.contains(" nor ") { "neither" } else { "not" };
        self.wrong(at, format!("{name:?} is {neither} {what} here: there are {}", known.join(", ")))
    }

    fn wrong(&self, at: &Range<usize>, words: impl Into<String>) -> Wrong {
        Wrong { line: self.line(at), words: words.into() }
    }

    fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(at.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
