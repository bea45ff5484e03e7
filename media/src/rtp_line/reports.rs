//! The line's RTCP: what both ends say about the quality of the call.

use std::net::SocketAddr;

use super::sealed::Port;
use super::RtpLine;
use crate::desk::Desk;
use crate::stream::link::Here;
use crate::sys;

/// A separate RTCP socket is looked at this often.
const RTCP_LOOK_US: u64 = 1_000_000;

impl RtpLine {
    pub(super) fn report(&mut self, bytes: &[u8], from: SocketAddr, wall_us: u64) {
        if self.source.allows_rtcp(from) {
            let _ = self.rtcp.on_report(bytes, sys::ntp(wall_us));
        }
    }

    pub(super) fn rtcp(&mut self, desk: &mut Desk, here: Here<'_>) {
        if here.now_us < self.next_look_us {
            return;
        }
        self.next_look_us = here.now_us + RTCP_LOOK_US;
        self.settle();
        for index in 0..desk.batch.fetch(&self.ports.rtcp, false) {
            if !self.unseal(&mut desk.batch, index, Port::Rtcp, here) {
                continue;
            }
            if let Some(datagram) = desk.batch.datagram(index) {
                self.keep_heard(&datagram, true);
                self.report(datagram.bytes, datagram.from, datagram.arrival_wall_us);
            }
        }
        let jitter_ms = f64::from(self.rtcp.quality().jitter_ms);
        self.figures.jitter_max_ms = self.figures.jitter_max_ms.max(jitter_ms);
        if here.now_us >= self.next_rtcp_us {
            self.next_rtcp_us = here.now_us + self.rtcp.next_interval_ms() * 1000;
            if let Some(to) = self.rtcp_destination() {
                let report = self.rtcp.build(desk.ntp(here.now_us), &self.sender.sent());
                self.send_rtcp(report, to);
            }
        }
    }

    fn send_rtcp(&mut self, mut report: Vec<u8>, to: SocketAddr) {
        let shares_port = self
            .remote
            .as_ref()
            .is_some_and(|remote| remote.plan.rtcp_port.is_none());
        if !report.is_empty() {
            self.keep_report(&report, to, shares_port);
        }
        if !self.seal_report(&mut report) {
            return;
        }
        let socket = if shares_port {
            &self.ports.rtp
        } else {
            &self.ports.rtcp
        };
        if !report.is_empty() && sys::send(socket, &report, Some(to)).is_err() {
            self.said.errors += 1;
        }
    }

    pub(super) fn rtcp_destination(&self) -> Option<SocketAddr> {
        let mut to = self.destination()?;
        if let Some(port) = self.remote.as_ref()?.plan.rtcp_port {
            to.set_port(port);
        }
        Some(to)
    }

    /// The far end is told that the leg is over.
    pub fn farewell(&mut self, desk: &Desk) {
        if let Some(to) = self.rtcp_destination() {
            let bye = self
                .rtcp
                .build_bye(desk.ntp(sys::monotonic_us()), &self.sender.sent());
            self.send_rtcp(bye, to);
        }
        self.remote = None;
    }
}
