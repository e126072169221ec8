//! What somebody may have meant who wrote a name that doesn't exist.

/// How alike two names have to be to be taken for each other, from 0 to 1 (Jaro-Winkler; clap uses as much for its flags).
const ALIKE: f64 = 0.7;

/// The name that is most like the one that was written, if any is like it.
pub(crate) fn meant<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let written = written.to_lowercase();
    let alike = names.into_iter().map(|name| (strsim::jaro_winkler(&written, &name.to_lowercase()), name));
    let best = alike.filter(|(alike, _)| *alike > ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(best.1)
}

/// The same as the end of a sentence; empty where nothing is like it.
pub(crate) fn did_you_mean<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    meant(written, names).map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likest_name_is_meant_if_any_is() {
        let names = ["query", "query_all", "inventory", "watch"];
        assert_eq!(meant("qurey", names), Some("query"));
        assert_eq!(meant("Inventroy", names), Some("inventory"));
        assert_eq!(meant("zebra", names), None);
        assert_eq!(did_you_mean("wacth", names), "; did you mean \"watch\"?");
        assert_eq!(did_you_mean("x", []), "");
    }
}
