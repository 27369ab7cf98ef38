//! Several servers that form one cluster on this machine.

use std::{
    ops::{Index, IndexMut},
    thread,
    time::{Duration, Instant},
};

use crate::{NatsServer, NatsServerBuilder, StartError, process::POLL_INTERVAL};

/// Servers find each other within a second or so; see the server's own time-out for the rest.
const FORM_TIMEOUT: Duration = Duration::from_secs(30);

/// Servers of one cluster, each a child process on 127.0.0.1 with a free port for clients and one for
/// the others. A server is reached by its index, to be killed, paused or restarted; a restarted one
/// joins the others again.
///
/// ```
/// let mut cluster = nats_child::NatsCluster::start(3)?;
/// println!("connect to any of {}", cluster.urls().join(","));
/// cluster[0].kill()?; // clients go on with the other two
/// cluster[0].restart()?;
/// cluster.wait_formed()?; // all three know each other again
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts `count` servers, and waits until each knows all the others.
    ///
    /// # Errors
    ///
    /// Those of [`NatsServerBuilder::start`], and [`StartError::TimedOut`] where they do not find each
    /// other within 30 s.
    pub fn start(count: usize) -> Result<Self, StartError> {
        Self::start_with(count, NatsServer::builder)
    }

    /// Like [`Self::start`], each server as `builder` describes it. Its port is a free one, so that
    /// one description does for all.
    ///
    /// # Errors
    ///
    /// See [`Self::start`].
    pub fn start_with(
        count: usize,
        builder: impl Fn() -> NatsServerBuilder,
    ) -> Result<Self, StartError> {
        let mut servers: Vec<NatsServer> = Vec::with_capacity(count);
        for _ in 0..count {
            let known = servers.iter().filter_map(NatsServer::cluster_port).collect();
            servers.push(builder().port(0).routes(known).start()?);
        }
        // The first ones knew nobody when they started. Once restarted they have to find the others.
        let ports: Vec<u16> = servers.iter().filter_map(NatsServer::cluster_port).collect();
        for (own, server) in servers.iter_mut().enumerate() {
            let others = ports.iter().enumerate().filter(|(other, _)| *other != own);
            server.set_routes(others.map(|(_, port)| *port).collect());
        }
        let mut cluster = Self { servers };
        cluster.wait_formed()?;
        Ok(cluster)
    }

    /// Where clients connect, server by server.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.url().to_owned()).collect()
    }

    /// Waits until each server that runs knows all others that run. Of no use while one is paused.
    ///
    /// # Errors
    ///
    /// [`StartError::TimedOut`] where that takes longer than 30 s.
    pub fn wait_formed(&mut self) -> Result<(), StartError> {
        let deadline = Instant::now() + FORM_TIMEOUT;
        let running: Vec<u16> =
            self.servers.iter_mut().filter_map(|s| s.is_running().then(|| s.port())).collect();
        for server in self.servers.iter().filter(|server| running.contains(&server.port())) {
            while !knows(server, &running) {
                if Instant::now() >= deadline {
                    let log = server.log().unwrap_or_default();
                    return Err(StartError::TimedOut { timeout: FORM_TIMEOUT, log });
                }
                thread::sleep(POLL_INTERVAL);
            }
        }
        Ok(())
    }
}

/// Whether the server names all of `ports` to its clients; a server alone names none.
fn knows(server: &NatsServer, ports: &[u16]) -> bool {
    let Ok(info) = server.info(FORM_TIMEOUT) else { return false };
    let named = |port: &u16| info.contains(&format!("\"127.0.0.1:{port}\""));
    ports.iter().all(|port| *port == server.port() || named(port))
}

impl Index<usize> for NatsCluster {
    type Output = NatsServer;

    fn index(&self, index: usize) -> &NatsServer {
        &self.servers[index]
    }
}

impl IndexMut<usize> for NatsCluster {
    fn index_mut(&mut self, index: usize) -> &mut NatsServer {
        &mut self.servers[index]
    }
}
