//! `swp-bench report DIR`: what was measured, for people. Reads the JSON Lines of one run, and writes a
//! README with tables, a verdict on each target, and plots, beside them; then puts the run on the front page
//! of the folder that it lies in, where there is one.
//!
//! ```text
//!   *.jsonl, run.json --data--> summary (medians) --+--> tables, targets --page--> DIR/README.md
//!                                                   +--> plots --chart----------> DIR/*.svg
//!                                                   +--> front -----------------> DIR/../README.md
//! ```

mod chart;
mod data;
mod front;
mod micro;
mod page;
mod plots;
mod stats;
mod summary;
mod tables;
mod targets;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use data::Data;

use crate::Failure;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder with the JSON Lines. Its README.md and plots are written into it; a folder in `results/`
    /// also becomes the newest run of the front page there, unless a newer one is
    dir: PathBuf,
    /// Where criterion left its estimates (target/criterion): kept in DIR/micro.jsonl first
    #[arg(long, value_name = "FOLDER")]
    criterion: Option<PathBuf>,
}

/// Why there is no report, or only a part of one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error("{path}: {cause}")]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{path}, line {line}: not a measurement of this version's form: {cause}")]
    Line { path: PathBuf, line: usize, cause: serde_json::Error },
    #[error("{path}: {cause}; it is written by swp-bench, and no other form is read")]
    Json { path: PathBuf, cause: serde_json::Error },
    #[error("{0} holds no measurements; run swp-bench's modes with --json into it first")]
    Empty(PathBuf),
    #[error("{path}: cannot be drawn: {cause}")]
    Draw { path: PathBuf, cause: String },
    #[error(
        "{0} has no line that begins with \"{begin}\" and after it one that is \"{end}\"; the newest run \
         goes between them",
        begin = front::BEGIN, end = front::END
    )]
    NoPlace(PathBuf),
}

impl ReportError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> ReportError {
        move |cause| ReportError::File { path: path.to_owned(), cause }
    }
}

/// Writes the report, and prints the names of the files.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    for path in write_report(&options.dir, options.criterion.as_deref())? {
        println!("{}", path.display());
    }
    Ok(())
}

/// Writes the report of the run in `dir`. `criterion` is where criterion left its estimates: they are kept
/// in `dir` as `micro.jsonl` first. Returns what was written.
fn write_report(dir: &Path, criterion: Option<&Path>) -> Result<Vec<PathBuf>, ReportError> {
    let mut written = Vec::new();
    if let Some(criterion) = criterion {
        let path = dir.join("micro.jsonl");
        write(&path, &micro::collect(criterion)?)?;
        written.push(path);
    }
    let data = Data::read(dir)?;
    let summary = summary::Summary::new(&data);
    let plots = plots::draw_all(dir, &summary)?;
    let name = folder_name(dir)?;
    let page = dir.join("README.md");
    write(&page, &page::render(&name, &data, &summary, &plots))?;
    written.extend(plots.iter().map(|plot| dir.join(plot.file)));
    written.push(page);
    // A folder that is not among other results has no front page to be on.
    if let Some(path) = front_page(dir)? {
        let text = fs::read_to_string(&path).map_err(ReportError::file(&path))?;
        let section = page::render_headline(&name, &data, &summary, &plots);
        let place = front::place(&text, &name, &section);
        match place.ok_or_else(|| ReportError::NoPlace(path.clone()))? {
            front::Placed::Changed(text) => {
                write(&path, &text)?;
                written.push(path);
            }
            front::Placed::Older => {}
        }
    }
    Ok(written)
}

fn write(path: &Path, text: &str) -> Result<(), ReportError> {
    fs::write(path, text).map_err(ReportError::file(path))
}

/// The run's name: that of its folder.
fn folder_name(dir: &Path) -> Result<String, ReportError> {
    let whole = fs::canonicalize(dir).map_err(ReportError::file(dir))?;
    Ok(whole.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// The README beside the run's folder, if that is one of results.
fn front_page(dir: &Path) -> Result<Option<PathBuf>, ReportError> {
    let whole = fs::canonicalize(dir).map_err(ReportError::file(dir))?;
    let Some(parent) = whole.parent().filter(|parent| parent.ends_with("results")) else {
        return Ok(None);
    };
    let page = parent.join("README.md");
    Ok(page.is_file().then_some(page))
}
