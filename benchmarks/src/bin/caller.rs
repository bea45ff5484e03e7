//! The load generator: many scripted callers in one thread.
//!
//! ```text
//! caller --mode calls  --server HOST:PORT --calls N --rate R --seconds S   set up, talk, measure, hang up
//! caller --mode setups --server HOST:PORT --rate R --seconds S --hold-ms H set up and tear down, no RTP
//! caller --mode raw    --calls N --port FIRST --seconds S                  RTP only, towards `floor`
//! ```
//! `--host`, `--callee`, `--from USER@HOST`, `--user` and `--password` say who calls whom.
//! JSON lines: `steady` when the measured window begins, `end` when it ends, `report` last.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use agentstream_bench::args::{fail, Args};
use agentstream_bench::clock::{now_ns, Beats, BEAT_NS};
use agentstream_bench::control::{say, CpuMeter};
use agentstream_bench::rtp::RtpBank;
use agentstream_bench::samples::Samples;
use agentstream_bench::sip::digest::Credentials;
use agentstream_bench::sip::{Progress, SipCaller, Who};
use agentstream_bench::sys::{raise_file_limit, run_first};
use serde_json::{json, Value};

const HOST: &str = "127.0.0.1";
/// Hang-ups are spread, so that they do not measure a burst.
const HANG_UPS_PER_S: u64 = 200;
/// Beats after the last set-up before the window begins.
const SETTLE_BEATS: u64 = 3000;
/// Beats to wait for answers after the last BYE: more than timer F.
const FAREWELL_BEATS: u64 = 34_000;

fn main() {
    let args = Args::read();
    raise_file_limit();
    run_first();
    match args.get("mode", "calls".to_owned()).as_str() {
        "calls" => calls(&args),
        "setups" => setups(&args),
        "raw" => raw(&args),
        mode => fail(&format!("--mode {mode}: calls, setups or raw")),
    }
}

fn sip(args: &Args) -> SipCaller {
    let server: SocketAddr = args.get("server", SocketAddr::from(([127, 0, 0, 1], 5060)));
    let (user, password): (String, String) = (
        args.get("user", String::new()),
        args.get("password", String::new()),
    );
    let who = Who {
        callee: args.get("callee", "+14155550123".to_owned()),
        from: args.get("from", String::new()),
        credentials: (!user.is_empty()).then_some(Credentials { user, password }),
    };
    SipCaller::open(&host(args), server, who)
        .unwrap_or_else(|error| fail(&format!("SIP socket: {error}")))
}

fn bank(args: &Args) -> RtpBank {
    RtpBank::open(&host(args)).unwrap_or_else(|error| fail(&format!("RTP sockets: {error}")))
}

/// The address that the calls come from.
fn host(args: &Args) -> String {
    args.get("host", HOST.to_owned())
}

/// Set-ups, their failures and durations.
#[derive(Debug, Default)]
struct Tally {
    answered: u64,
    ended: u64,
    hung_up_by_server: u64,
    failures: BTreeMap<String, u64>,
    setup: Samples,
    teardown: Samples,
}

impl Tally {
    fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn note(&mut self, progress: &Progress) {
        match progress {
            Progress::Answered { after_ns, .. } => {
                self.answered += 1;
                self.setup.add((after_ns / 1000) as i64);
            }
            Progress::Failed { reason, .. } => {
                *self.failures.entry(reason.clone()).or_default() += 1
            }
            Progress::Ended { after_ns, .. } => {
                self.ended += 1;
                self.teardown.add((after_ns / 1000) as i64);
            }
            Progress::HungUp { .. } => self.hung_up_by_server += 1,
        }
    }

    fn report(&mut self) -> Value {
        json!({
            "answered": self.answered,
            "ended": self.ended,
            "hung_up_by_server": self.hung_up_by_server,
            "failed": self.failed(),
            "failures": self.failures,
            "setup": self.setup.report(),
            "teardown": self.teardown.report(),
        })
    }
}

fn calls(args: &Args) {
    let (wanted, rate): (u64, f64) = (args.get("calls", 100), args.get("rate", 50.0));
    let window_beats: u64 = args.get::<u64>("seconds", 10) * 1000;
    let (mut sip, mut bank, mut tally) = (sip(args), bank(args), Tally::default());
    let (mut beats, mut placed, mut up) = (Beats::start(), 0u64, VecDeque::new());
    let (mut steady_at, mut end_at, mut done_at) = (None, None, None);
    let mut cpu = CpuMeter::start();
    loop {
        let (beat, due_ns) = beats.wait();
        bank.beat(beat, due_ns);
        for progress in sip.poll() {
            tally.note(&progress);
            match progress {
                Progress::Answered { call, media, .. } => {
                    bank.start(call, media, now_ns());
                    up.push_back((call, media));
                }
                Progress::HungUp { call } => up.retain(|(number, media)| {
                    let stays = *number != call;
                    if !stays {
                        bank.stop(*media);
                    }
                    stays
                }),
                Progress::Failed { .. } | Progress::Ended { .. } => {}
            }
        }
        if placed < wanted && beat as f64 * rate / 1000.0 >= placed as f64 {
            sip.invite(bank.port(placed as usize));
            placed += 1;
        }
        let is_settled = placed == wanted && tally.answered + tally.failed() >= wanted;
        if is_settled && steady_at.is_none() {
            steady_at = Some(beat + SETTLE_BEATS);
        }
        if steady_at == Some(beat) {
            bank.measure(true);
            cpu = CpuMeter::start();
            end_at = Some(beat + window_beats);
            say(
                "steady",
                json!({ "calls": up.len(), "failed": tally.failed() }),
            );
        }
        if end_at == Some(beat) {
            bank.measure(false);
            say("end", json!({ "calls": up.len(), "cpu_s": cpu.seconds() }));
            done_at = Some(beat + FAREWELL_BEATS);
        }
        let is_leaving = end_at.is_some_and(|end| beat > end + 500);
        if is_leaving && beat % (1000 / HANG_UPS_PER_S) == 0 {
            if let Some((call, media)) = up.pop_front() {
                sip.hang_up(call);
                bank.stop(media);
            }
        }
        let all_over = tally.ended + tally.hung_up_by_server + tally.failed() >= wanted;
        if is_leaving && (all_over || done_at.is_some_and(|done| beat >= done)) {
            break;
        }
    }
    report(bank.report(), &mut tally, &sip, bank.ports());
}

fn setups(args: &Args) {
    let rate: f64 = args.get("rate", 100.0);
    let window_beats: u64 = args.get::<u64>("seconds", 10) * 1000;
    let hold_ns = args.get::<u64>("hold-ms", 100) * BEAT_NS;
    let (mut sip, bank, mut tally) = (sip(args), bank(args), Tally::default());
    let (mut beats, mut placed, mut up) = (Beats::start(), 0u64, VecDeque::new());
    say("steady", json!({ "rate": rate }));
    let cpu = CpuMeter::start();
    let mut has_ended = false;
    loop {
        let (beat, _) = beats.wait();
        for progress in sip.poll() {
            tally.note(&progress);
            if let Progress::Answered { call, .. } = progress {
                up.push_back((now_ns() + hold_ns, call));
            }
        }
        while beat <= window_beats && beat as f64 * rate / 1000.0 >= placed as f64 {
            sip.invite(bank.port(placed as usize));
            placed += 1;
        }
        while up.front().is_some_and(|(due_ns, _)| *due_ns <= now_ns()) {
            up.pop_front()
                .into_iter()
                .for_each(|(_, call)| sip.hang_up(call));
        }
        if beat == window_beats && !std::mem::replace(&mut has_ended, true) {
            let (ended, in_flight) = (tally.ended, placed - tally.ended - tally.failed());
            say(
                "end",
                json!({ "ended": ended, "in_flight": in_flight, "cpu_s": cpu.seconds() }),
            );
        }
        let over = tally.ended + tally.hung_up_by_server + tally.failed();
        if has_ended && (over >= placed || beat > window_beats + FAREWELL_BEATS) {
            break;
        }
    }
    report(
        json!({ "placed": placed, "rate": rate }),
        &mut tally,
        &sip,
        bank.ports(),
    );
}

fn raw(args: &Args) {
    let calls: usize = args.get("calls", 500);
    let first_port: u16 = args.get("port", 30_000);
    let window_beats: u64 = args.get::<u64>("seconds", 10) * 1000;
    let (mut bank, mut beats) = (bank(args), Beats::start());
    for call in 0..calls {
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, first_port + 2 * call as u16);
        bank.start(call, to, now_ns());
    }
    let mut cpu = CpuMeter::start();
    loop {
        let (beat, due_ns) = beats.wait();
        bank.beat(beat, due_ns);
        if beat == 1000 {
            bank.measure(true);
            cpu = CpuMeter::start();
            say("steady", json!({ "calls": calls }));
        }
        if beat == 1000 + window_beats {
            say("end", json!({ "cpu_s": cpu.seconds() }));
            break;
        }
    }
    say("report", json!({ "rtp": bank.report() }));
}

fn report(rtp: Value, tally: &mut Tally, sip: &SipCaller, ports: &[u16]) {
    let body = json!({
        "rtp": rtp,
        "sip": tally.report(),
        "sip_retransmissions": sip.retransmissions,
        "rtp_ports": ports,
    });
    say("report", body);
}
