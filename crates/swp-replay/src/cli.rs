//! The command line: what can be asked for, and the help that says so.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use swp_fast::wire::Integrity;
use swp_replay::disk::Engine;
use swp_replay::generate::MAX_SUBJECTS;

use crate::units;

/// The subcommands' names. Anything else in their place is a capture to play.
const COMMANDS: [&str; 9] =
    ["play", "recv", "record", "info", "verify", "recover", "cat", "gen", "help"];

/// Records NATS traffic and replays it at line rate, in order and without loss.
///
/// `swp-replay CAPTURE` is short for `swp-replay play CAPTURE`.
#[derive(Debug, Parser)]
#[command(
    name = "swp-replay",
    version,
    after_help = "\
Exit codes: 0 complete, 1 failed, 2 usage, 3 corrupt or incomplete data, 4 peer lost (or, of recv, evicted by it),
130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replay a capture to the consumers of a stream
    Play(PlayArgs),
    /// Receive a stream: keep it, publish it again, or only check it
    Recv(RecvArgs),
    /// Record what is published on plain NATS subjects
    Record(RecordArgs),
    /// Say what is in a capture
    Info(InspectArgs),
    /// Check every digest of a capture
    Verify(InspectArgs),
    /// Save what is whole in a damaged or unfinished capture
    #[command(after_help = "\
Exit codes: 0 all that was in the file is saved, 3 something was lost (what is whole is saved), or no capture at all.")]
    Recover(RecoverArgs),
    /// Print a capture's messages as JSON Lines
    Cat(CatArgs),
    /// Make a capture of made-up messages
    Gen(GenArgs),
}

/// How to reach NATS.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArgs {
    /// Server, or several with commas [default: 127.0.0.1:4222; if none answers there, one is started]
    #[arg(short, long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// Credentials file
    #[arg(long, env = "NATS_CREDS", value_name = "FILE")]
    pub(crate) creds: Option<PathBuf>,
    /// File with an NKEY seed
    #[arg(long, env = "NATS_NKEY", value_name = "FILE")]
    pub(crate) nkey: Option<PathBuf>,
    /// User name
    #[arg(long, env = "NATS_USER", value_name = "NAME", requires = "password")]
    pub(crate) user: Option<String>,
    /// Password; better given in the environment, where `ps` does not show it
    #[arg(long, env = "NATS_PASSWORD", value_name = "TEXT", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// Certificate authority to trust (PEM)
    #[arg(long, visible_alias = "tlsca", env = "NATS_CA", value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// This client's certificate (PEM)
    #[arg(
        long,
        visible_alias = "tlscert",
        env = "NATS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// This client's private key (PEM)
    #[arg(
        long,
        visible_alias = "tlskey",
        env = "NATS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub(crate) tls_key: Option<PathBuf>,
}

/// What is printed. Results are on stdout, everything else on stderr.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Print one JSON object as the last line of stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlayArgs {
    /// The capture
    pub(crate) capture: PathBuf,
    /// Name of the stream [default: the capture's file name without its ending]
    #[arg(long, value_name = "STREAM")]
    pub(crate) to: Option<String>,
    /// Begin when this many consumers have joined
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) min_consumers: usize,
    /// Wait no longer than this for the consumers [default: for ever]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) wait: Option<Duration>,
    /// What becomes of a consumer that comes after the first frame was sent
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Late::Refuse)]
    pub(crate) late_join: Late,
    /// What becomes of a consumer that holds the stream back
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = OnSlow::Wait)]
    pub(crate) on_slow: OnSlow,
    /// With --on-slow evict: it is lost when it has taken nothing for this long; at least 1s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = units::duration)]
    pub(crate) stalled_for: Duration,
    /// Only consumers with this tag set the pace and count; the others follow as far as they keep up
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Fail when fewer consumers than this are left [default: --min-consumers; 1 with --on-slow evict]
    #[arg(long, value_name = "N")]
    pub(crate) quorum: Option<usize>,
    /// Digest of the frames: blake3, crc32c or none
    #[arg(long, value_name = "KIND", default_value_t = Integrity::Blake3)]
    pub(crate) integrity: Integrity,
    /// File with a secret that both ends share; frames of anyone without it are refused
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// How to read the disk: auto, uring or pread
    #[arg(long, value_name = "ENGINE", default_value_t = Engine::Auto)]
    pub(crate) io: Engine,
    /// A consumer that is silent for this long is lost; at least 300ms
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = units::duration)]
    pub(crate) idle_timeout: Duration,
    /// Play what can be read of a damaged or unfinished capture
    #[arg(long)]
    pub(crate) partial: bool,
    /// Keep in FILE how far the consumers are; where FILE is there already, go on from there
    #[arg(long, value_name = "FILE")]
    pub(crate) resume_state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// For `--late-join`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Late {
    /// It is refused
    Refuse,
    /// It gets the stream from the next frame on
    Now,
    /// It gets the whole stream, from the capture until it has caught up
    Start,
}

/// For `--on-slow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnSlow {
    /// The stream goes at its pace
    Wait,
    /// It is lost after --stalled-for, and told so; the others go on
    Evict,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("sink").required(true))]
pub(crate) struct RecvArgs {
    /// Name of the stream
    pub(crate) stream: String,
    /// Write a capture
    #[arg(short, long = "output", value_name = "FILE", group = "sink")]
    pub(crate) output_file: Option<PathBuf>,
    /// Publish each message to its own subject, with its headers and reply subject
    #[arg(long, group = "sink")]
    pub(crate) republish: bool,
    /// Only count and check
    #[arg(long, group = "sink")]
    pub(crate) discard: bool,
    /// Replace the output if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Go on with a file that broke off, while the publisher can give what it lacks
    #[arg(long, requires = "output_file", conflicts_with = "force")]
    pub(crate) resume: bool,
    /// Put this and a dot in front of each subject
    #[arg(long, value_name = "SUBJECT", conflicts_with_all = ["discard", "output_file"])]
    pub(crate) prefix: Option<String>,
    /// Publish to this server instead of the one that the stream comes from
    #[arg(long, value_name = "URL", conflicts_with_all = ["discard", "output_file"])]
    pub(crate) to_server: Option<String>,
    /// This consumer's name in the publisher's reports
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// The group that this consumer counts itself to (see --tag of the replay)
    #[arg(long, default_value = "")]
    pub(crate) tag: String,
    /// File with the secret that the publisher uses
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Take no more than this many bytes a second
    #[arg(long, value_name = "SIZE", value_parser = units::positive_bytes)]
    pub(crate) max_rate: Option<u64>,
    /// Wait no longer than this for a publisher [default: for ever]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) wait: Option<Duration>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Subjects, with or without wildcards; what matches two of them is recorded twice
    #[arg(required = true)]
    pub(crate) subjects: Vec<String>,
    /// The capture to write
    #[arg(short, long = "output", value_name = "CAPTURE")]
    pub(crate) output_file: PathBuf,
    /// Replace the output if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// End after this many messages
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// End after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = units::duration)]
    pub(crate) duration: Option<Duration>,
    /// End after this much payload
    #[arg(long, value_name = "SIZE", value_parser = units::positive_bytes)]
    pub(crate) max_bytes: Option<u64>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The capture
    pub(crate) capture: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// The damaged capture; it is only read
    pub(crate) capture: PathBuf,
    /// The capture to write
    #[arg(short, long = "output", value_name = "CAPTURE")]
    pub(crate) output_file: PathBuf,
    /// Replace the output if it exists
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// The capture
    pub(crate) capture: PathBuf,
    /// Stop after this many messages
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct GenArgs {
    /// The capture to write
    #[arg(short, long = "output", value_name = "CAPTURE")]
    pub(crate) output_file: PathBuf,
    /// Replace the output if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// How many messages
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) messages: u64,
    /// Size of a payload, or smallest and largest
    #[arg(long, value_name = "BYTES|MIN-MAX", default_value = "256", value_parser = units::size_range)]
    pub(crate) size: (usize, usize),
    /// How many subjects
    #[arg(long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SUBJECTS)))]
    pub(crate) subjects: u32,
    /// Messages a second, by their timestamps
    #[arg(long, value_name = "N", default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rate: u64,
    /// The same seed makes the same messages
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Command {
    /// What to print. `cat` prints messages and nothing else.
    pub(crate) fn output(&self) -> OutputArgs {
        match self {
            Command::Play(args) => args.output,
            Command::Recv(args) => args.output,
            Command::Record(args) => args.output,
            Command::Info(args) | Command::Verify(args) => args.output,
            Command::Recover(args) => args.output,
            Command::Gen(args) => args.output,
            Command::Cat(_) => OutputArgs { json: false, quiet: false },
        }
    }
}

/// Puts `play` in front where no subcommand is named.
pub(crate) fn with_default_command(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    let is_own = |arg: &OsString| {
        let own = ["-h", "--help", "-V", "--version"];
        arg.to_str().is_some_and(|arg| COMMANDS.contains(&arg) || own.contains(&arg))
    };
    if args.get(1).is_some_and(|first| !is_own(first)) {
        args.insert(1, "play".into());
    }
    args
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it is not a whole number".to_owned()),
    }
}

#[cfg(test)]
mod tests;
