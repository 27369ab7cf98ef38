//! The front page of all results: the newest run between two lines, older ones in a list below.

/// The line before the newest run begins with this, then comes the run's name.
pub(super) const BEGIN: &str = "<!-- newest run:";
/// The line behind it.
pub(super) const END: &str = "<!-- end of the newest run -->";
/// Where older runs are listed, newest first.
const OLDER: &str = "## Older runs\n";

#[derive(Debug, PartialEq)]
pub(super) enum Placed {
    /// The page with the run in its place.
    Changed(String),
    /// A newer run is there: the page stays as it is.
    Older,
}

/// Puts the run `name` in the newest one's place, and lists that below if it was another. Runs are named
/// by their dates, so names tell which is newer. `None` where the page has no such place.
pub(super) fn place(page: &str, name: &str, section: &str) -> Option<Placed> {
    let begin = page.find(BEGIN)?;
    let (mark, _) = page[begin..].split_once('\n')?;
    let end = begin + page[begin..].find(END)?;
    let before = mark.strip_prefix(BEGIN)?.trim_end_matches("-->").trim();
    if before > name {
        return Some(Placed::Older);
    }
    let behind = &page[end + END.len()..];
    let behind = match before.is_empty() || before == name {
        true => behind.to_owned(),
        false => listed(behind, before),
    };
    let head = &page[..begin];
    Some(Placed::Changed(format!("{head}{BEGIN} {name} -->\n{section}{END}{behind}")))
}

/// What stands behind the newest run, with the run `name` as the first of the older ones.
fn listed(behind: &str, name: &str) -> String {
    let link = format!("- [{name}]({name}/README.md)\n");
    if behind.contains(&link) {
        return behind.to_owned();
    }
    let Some((above, below)) = behind.split_once(OLDER) else {
        return format!("\n\n{OLDER}\n{link}{behind}");
    };
    let below = below.trim_start_matches('\n');
    // A list goes on; anything else keeps its distance.
    let gap = if below.starts_with("- [") { "" } else { "\n" };
    format!("{above}{OLDER}\n{link}{gap}{below}")
}
