//! The line's keys: what comes is opened before anybody looks at it, what goes is sealed last.

use super::RtpLine;
use crate::event::SrtpRefused;
use crate::plan::SrtpPlan;
use crate::rtp::packet::HEADER_BYTES;
use crate::rtp::rtcp::is_rtcp;
use crate::rtp::srtp::{Keys, Srtp, Suite, GROWTH};
use crate::stream::link::Here;
use crate::sys::Batch;

/// Our longest packet, 60 ms, with what sealing adds.
const SEALED_BYTES: usize = HEADER_BYTES + 480 + GROWTH;

/// Which port a datagram came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// RTP's, which RTCP may share.
    Rtp,
    Rtcp,
}

impl RtpLine {
    /// Takes the keys of a plan. False, and nothing has changed, when they cannot be used: then no sound goes out in
    /// clear in their place.
    pub(super) fn take_keys(&mut self, plan: Option<&SrtpPlan>, here: Here<'_>) -> bool {
        let Some(plan) = plan else {
            self.figures.srtp.clear();
            if let Some(srtp) = self.srtp.take() {
                let refused = srtp.refused();
                self.figures.srtp_rejected += refused.rejected;
                self.figures.srtp_replayed += refused.replayed;
            }
            return true;
        };
        let Some(suite) = Suite::named(&plan.suite) else {
            return false;
        };
        let keys = Keys {
            suite,
            ours: plan.our_key.bytes().to_vec(),
            theirs: plan.their_key.bytes().to_vec(),
        };
        let Some(srtp) = &mut self.srtp else {
            self.srtp = Srtp::new(keys).map(Box::new);
            self.figures.srtp = plan.suite.clone();
            return self.srtp.is_some();
        };
        let had_come_round = srtp.has_come_round();
        let has_new_key = srtp.rekeys_ours(&keys);
        if !srtp.rekey(keys, here.at_ms()) {
            return false;
        }
        self.figures.srtp = plan.suite.clone();
        if had_come_round && has_new_key {
            // Whether rounds are counted on with a new key is read in two ways (RFC 3711 §3.3.1 and what is done after
            // RFC 4568); a new stream begins at zero in both.
            let ssrc = self.sender.sent().ssrc.wrapping_add(1);
            self.sender.set_ssrc(ssrc);
            self.rtcp.set_ssrc(ssrc);
        }
        true
    }

    /// Opens a datagram where it lies. False: it is not to be looked at, and counts as nothing but as refused.
    pub(super) fn unseal(
        &mut self,
        batch: &mut Batch,
        index: usize,
        port: Port,
        here: Here<'_>,
    ) -> bool {
        let Some(srtp) = &mut self.srtp else {
            return true;
        };
        let now_ms = here.at_ms();
        let is_open = batch.shorten(index, |datagram| {
            let opened = if port == Port::Rtcp || is_rtcp(datagram) {
                srtp.open_rtcp(datagram, now_ms)
            } else {
                srtp.open_rtp(datagram, now_ms)
            };
            opened.ok()
        });
        if !is_open && srtp.is_to_be_told() {
            let refused = srtp.refused();
            here.events.push(SrtpRefused {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: now_ms,
                rejected: refused.rejected,
                replayed: refused.replayed,
                ever_accepted: srtp.ever_accepted(),
            });
        }
        is_open
    }

    /// Seals a compound packet, if there are keys. False: it cannot be sent.
    pub(super) fn seal_report(&mut self, report: &mut Vec<u8>) -> bool {
        let Some(srtp) = &mut self.srtp else {
            return true;
        };
        let length = report.len();
        report.resize(length + GROWTH, 0);
        let sealed = srtp.seal_rtcp(report, length);
        report.truncate(sealed.unwrap_or(0));
        sealed.is_some()
    }
}

/// Sends a packet, sealed if there are keys.
pub(super) fn send_sealed(
    srtp: &mut Option<Box<Srtp>>,
    packet: &[u8],
    send: impl FnOnce(&[u8]) -> std::io::Result<usize>,
) -> std::io::Result<usize> {
    let Some(srtp) = srtp else {
        return send(packet);
    };
    // On the stack, as the packet is.
    let mut sealed = [0; SEALED_BYTES];
    sealed[..packet.len()].copy_from_slice(packet);
    let length = srtp.seal_rtp(&mut sealed, packet.len());
    send(&sealed[..length])
}
