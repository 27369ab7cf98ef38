//! A `nats-server` child process, for tests, benchmarks and commands that need a broker for as
//! long as they run.
//!
//! ```
//! use nats_child::NatsServer;
//!
//! let mut server = NatsServer::builder()
//!     .config_line("max_payload: 2MB")
//!     .start()?; // returns once the server accepts clients
//! println!("connect to {}", server.url());
//!
//! server.kill()?; // SIGKILL, as in a crash
//! server.restart()?; // the same port, the same configuration
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - **Ready when it returns.** [`NatsServerBuilder::start`] waits until the server has opened its
//!   port and greeted a client with `INFO`. A server that exits instead is noticed at once, and the
//!   error holds the last lines of its log.
//! - **No races for a port.** By default the server itself picks a free port and reports it; no
//!   port is probed, freed and hoped to be free still.
//! - **Gone when it is dropped.** Dropping a [`NatsServer`] kills the process, reaps it, and removes
//!   its files. Only a parent that is itself killed with SIGKILL leaves its server behind.
//! - **One or several.** A [`NatsCluster`] is some that know each other, each with a life of its own; a server
//!   can be a [leaf node](NatsServerBuilder::leaf_of) of another.
//! - **Blocking, and no runtime.** Everything is plain `std`, so it works beside any async runtime.
//!   The calls take milliseconds; where that matters, call them from a blocking task.
//!
//! The server listens on 127.0.0.1 only. The binary is the one that [`find_binary`] finds, unless
//! [`NatsServerBuilder::binary`] names another. Any version from 2.9 on will do. Unix only.
#![forbid(unsafe_code)]

mod builder;
mod cluster;
mod error;
mod find;
mod launch;
mod log;
mod ports;
mod process;
mod server;

pub use builder::NatsServerBuilder;
pub use cluster::NatsCluster;
pub use error::{ControlError, FindError, StartError};
pub use find::find_binary;
pub use server::NatsServer;
