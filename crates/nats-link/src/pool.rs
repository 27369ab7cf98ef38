//! The servers that a connection may go to: those of the options, and those that servers name.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio_rustls::rustls::ClientConfig;

use crate::{
    handshake::{Attempt, ConnectError, Session},
    options::{ConnectOptions, ReconnectOptions},
    server::ServerUrl,
};

#[cfg(test)]
mod tests;

/// The most servers that are remembered beside those of the options.
const DISCOVERED_MAX: usize = 256;

/// So often in turn a server must refuse the credentials before it counts as final. The first
/// refusal may come from a server that is not yet configured.
const REFUSALS_FINAL: u32 = 2;

#[derive(Debug)]
struct Candidate {
    url: ServerUrl,
    tls_name: String,
    discovered: bool,
    failures: u32,
    /// Consecutive refusals of the credentials.
    refusals: u32,
    /// The server has said that it is about to stop.
    lame: bool,
}

/// Chooses servers and connects to them.
#[derive(Debug)]
pub(crate) struct Pool {
    options: Arc<ConnectOptions>,
    candidates: Vec<Candidate>,
    tls_config: Option<Arc<ClientConfig>>,
    /// Whether nothing may be sent in plain text, now or ever after.
    demand_tls: bool,
    random: fastrand::Rng,
}

impl Pool {
    pub(crate) fn new(options: Arc<ConnectOptions>, random: fastrand::Rng) -> Self {
        let configured = options.servers.iter().map(|url| Candidate {
            url: url.clone(),
            tls_name: url.host.clone(),
            discovered: false,
            failures: 0,
            refusals: 0,
            lame: false,
        });
        let candidates = configured.collect();
        let demand_tls = options.demands_tls();
        Self { options, candidates, tls_config: None, demand_tls, random }
    }

    /// Returns the servers in the order in which to try them, as addresses.
    pub(crate) fn order(&mut self) -> Vec<ServerUrl> {
        let mut order: Vec<&Candidate> = self.candidates.iter().collect();
        if !self.options.reconnect.in_order {
            self.random.shuffle(&mut order);
            order.sort_by_key(|candidate| candidate.failures);
        }
        order.sort_by_key(|candidate| candidate.lame);
        order.into_iter().map(|candidate| candidate.url.clone()).collect()
    }

    /// Tries one server.
    pub(crate) async fn connect(&mut self, server: &ServerUrl) -> Result<Session, ConnectError> {
        let known = self.candidates.iter().position(|one| one.url.same_address(server));
        let tls_name = known.map_or(&server.host, |at| &self.candidates[at].tls_name).clone();
        let attempt = Attempt {
            server,
            tls_name: &tls_name,
            options: &self.options,
            demand_tls: self.demand_tls,
            tls_config: &mut self.tls_config,
        };
        let result = attempt.run().await;
        if let Some(candidate) = known.map(|at| &mut self.candidates[at]) {
            match &result {
                Ok(_) => (candidate.failures, candidate.refusals, candidate.lame) = (0, 0, false),
                Err(error) => {
                    candidate.failures += 1;
                    let refused = error.is_authorization();
                    candidate.refusals = if refused { candidate.refusals + 1 } else { 0 };
                }
            }
        }
        if let Ok(session) = &result {
            self.demand_tls |= session.encrypted;
            let (urls, doubtful) = (&session.info.connect_urls, session.doubtful_info);
            self.discover(urls, &session.server, &tls_name, doubtful);
        }
        result
    }

    /// Tries each server once.
    pub(crate) async fn connect_any(&mut self) -> Result<Session, ConnectError> {
        let mut errors = Vec::new();
        for server in self.order() {
            match self.connect(&server).await {
                Ok(session) => return Ok(session),
                Err(error) => errors.push(error),
            }
        }
        match errors.len() {
            0 => Err(ConnectError::NoServers),
            1 => Err(errors.remove(0)),
            _ => Err(ConnectError::All { errors }),
        }
    }

    /// Replaces the discovered servers by those that `via` names.
    pub(crate) fn update(&mut self, urls: &[String], via: &ServerUrl) {
        let found = self.candidates.iter().find(|one| one.url.same_address(via));
        let tls_name = found.map_or(&via.host, |one| &one.tls_name).clone();
        self.discover(urls, via, &tls_name, false);
    }

    /// A certificate names its host. An IP address stands for a host of the same cluster, so its
    /// certificate must name the server through which it was found. So must that of a host whose
    /// name may come from an attacker: the certificate of the attacker's own host is no proof.
    fn discover(&mut self, urls: &[String], via: &ServerUrl, tls_name: &str, doubtful: bool) {
        // A server alone names none. That says nothing about the others.
        if self.options.reconnect.ignore_discovered || urls.is_empty() {
            return;
        }
        let named: Vec<ServerUrl> =
            urls.iter().take(DISCOVERED_MAX).filter_map(|url| url.parse().ok()).collect();
        self.candidates.retain(|one| {
            !one.discovered
                || one.url.same_address(via)
                || named.iter().any(|url| url.same_address(&one.url))
        });
        for mut url in named {
            let of_other = doubtful || url.host.parse::<IpAddr>().is_ok();
            let tls_name = if of_other { tls_name.to_owned() } else { url.host.clone() };
            if let Some(one) = self.candidates.iter_mut().find(|one| one.url.same_address(&url)) {
                if one.discovered && !of_other {
                    one.tls_name = tls_name;
                }
                continue;
            }
            url.tls = via.tls;
            url.credentials = via.credentials.clone();
            self.candidates.push(Candidate {
                url,
                tls_name,
                discovered: true,
                failures: 0,
                refusals: 0,
                lame: false,
            });
        }
    }

    /// Notes that a server is about to stop. Returns true if there is another to go to.
    pub(crate) fn mark_lame(&mut self, server: &ServerUrl) -> bool {
        for candidate in self.candidates.iter_mut().filter(|one| one.url.same_address(server)) {
            candidate.lame = true;
        }
        self.candidates.iter().any(|candidate| !candidate.lame)
    }

    /// Returns true if every server has refused the credentials, and not for the first time.
    pub(crate) fn is_refused(&self) -> bool {
        self.candidates.iter().all(|candidate| candidate.refusals >= REFUSALS_FINAL)
    }

    /// Returns how long to wait before round `round` of attempts, counted from 0.
    pub(crate) fn delay(&mut self, round: u32) -> Duration {
        delay(&self.options.reconnect, round, &mut self.random)
    }
}

fn delay(options: &ReconnectOptions, round: u32, random: &mut fastrand::Rng) -> Duration {
    let factor = 1u32.checked_shl(round).unwrap_or(u32::MAX);
    let most = options.delay_min.saturating_mul(factor).min(options.delay_max);
    // Clients of one server that stopped must not come back together.
    let least = if round == 0 { 0.0 } else { 0.5 };
    most.mul_f64(least + (1.0 - least) * random.f64())
}
