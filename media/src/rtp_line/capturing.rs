//! The line's packets kept in a file: what came and what went, without the encryption of SRTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::RtpLine;
use crate::plan::CapturePlan;
use crate::recorder::{PacketSpec, Recorder};
use crate::sys::{self, Datagram};

impl RtpLine {
    /// Begins a capture; one that runs ends.
    pub fn capture(&mut self, plan: &CapturePlan, recorder: &Recorder) {
        let bound = self.ports.rtp.local_addr().ok().map(|bound| bound.ip());
        let said = plan.local_address.parse().ok();
        let local = bound.filter(|ip| !ip.is_unspecified()).or(said);
        self.capture = Some(Box::new(recorder.capture(PacketSpec {
            path: PathBuf::from(&plan.path),
            local: local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            max_bytes: plan.max_bytes,
            max_us: plan.max_ms * 1000,
        })));
    }

    pub fn stop_capture(&mut self) {
        self.capture = None;
    }

    /// Keeps what came to the RTP port, or to the one of RTCP.
    pub(super) fn keep_heard(&mut self, datagram: &Datagram<'_>, is_rtcp_port: bool) {
        if let Some(tap) = &mut self.capture {
            let wall_us = match datagram.arrival_wall_us {
                0 => sys::wall_us(),
                wall_us => wall_us,
            };
            let port = self.ports.port + u16::from(is_rtcp_port);
            tap.heard(wall_us, datagram.from, port, datagram.bytes);
        }
    }

    pub(super) fn keep_report(&mut self, report: &[u8], to: SocketAddr, shares_port: bool) {
        if let Some(tap) = &mut self.capture {
            let port = self.ports.port + u16::from(!shares_port);
            tap.said(sys::wall_us(), port, to, report);
        }
    }
}
