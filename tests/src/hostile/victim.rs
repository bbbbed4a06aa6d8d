//! A process under attack.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::reset_peak;
use crate::runtime::{Runtime, activation};
use crate::{Answer, Sandbox, guest, send};

/// The time that an attack has.
const TIME: Duration = Duration::from_secs(30);

/// How many answers a delay is measured by, and how long that may take: beside some attacks each
/// answer takes seconds.
const SAMPLES: usize = 15;
const FEW_SAMPLES: usize = 3;
const SAMPLING: Duration = Duration::from_secs(10);

/// A delay that is measured again does not count the first times: other processes share the
/// machine.
const ATTEMPTS: usize = 3;

/// Delays are compared one at a time.
static COMPARING: Mutex<()> = Mutex::new(());

/// The time in which an activation after an attack must be answered.
const WELL: Duration = Duration::from_secs(5);

/// How an attack ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The host did what the guest asked for, and this is what came of it.
    Allowed(Value),
    /// The host refused the call, and the guest went on.
    Refused {
        /// The kind of the error.
        kind: String,
        /// The beginning of its message.
        message: String,
        /// The length of its message.
        bytes: u64,
    },
    /// The activation failed with this message.
    Failed(String),
    /// The activation returned something else: this many bytes.
    Returned(usize),
    /// No answer came: the process ended, or it hung up.
    Nothing,
}

impl Ended {
    /// What a guest was told, from the answer to its caller.
    pub fn of(answer: Option<&Answer>) -> Self {
        let Some(answer) = answer else { return Self::Nothing };
        let body = answer.json();
        if let Some(allowed) = body.get("allowed") {
            return Self::Allowed(allowed.clone());
        }
        if let Some(refused) = body.get("refused") {
            let text = |name: &str| refused[name].as_str().unwrap_or_default().to_owned();
            return Self::Refused {
                kind: text("kind"),
                message: text("message"),
                bytes: refused["bytes"].as_u64().unwrap_or_default(),
            };
        }
        match body["error"].as_str() {
            Some(error) => Self::Failed(error.to_owned()),
            None => Self::Returned(answer.body.len()),
        }
    }
}

/// A small activation's delay, beside others: the median of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delay(pub Duration);

/// How a [`Victim`] is started.
#[derive(Debug, Clone, Default)]
pub struct VictimSetup {
    settings: BTreeMap<String, String>,
    policy: String,
}

impl VictimSetup {
    /// A container with `settings` where activations overlap, and where URLs of this machine may be
    /// read: the servers of tests are here.
    pub fn new<const N: usize>(settings: [(&str, &str); N]) -> Self {
        let mut setup = Self {
            settings: BTreeMap::new(),
            policy: "[http]\nprivate-addresses = \
            true\n"
                .to_owned(),
        };
        for (name, value) in [("__OW_ALLOW_CONCURRENT", "true"), ("KEYNET_CONCURRENCY", "16")]
            .into_iter()
            .chain(settings)
        {
            setup.settings.insert(name.to_owned(), value.to_owned());
        }
        setup
    }

    /// With one more setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With this text as the operator's policy.
    #[must_use]
    pub fn with_policy(mut self, policy: &str) -> Self {
        policy.clone_into(&mut self.policy);
        self
    }

    /// Starts it.
    pub fn start(&self) -> Victim {
        let mut sandbox = Sandbox::new();
        let policy = sandbox.path("policy.toml");
        std::fs::write(&policy, &self.policy).expect("the policy");
        sandbox.set("KEYNET_POLICY", policy.display());
        sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "http://127.0.0.1:9/");
        sandbox.set("KEYNET_RECEIPTS", "false");
        for (name, value) in &self.settings {
            sandbox.set(name, value);
        }
        let runtime = Runtime::of(&sandbox, &guest("evil"));
        Victim { runtime: Mutex::new(Some(runtime)), sandbox, setup: self.clone() }.settled()
    }
}

/// A `keynet-runtime` in which the guest `evil` is loaded.
pub struct Victim {
    runtime: Mutex<Option<Runtime>>,
    sandbox: Sandbox,
    setup: VictimSetup,
}

impl Victim {
    /// Its first activation is past: what is made once is there.
    fn settled(self) -> Self {
        assert_eq!(self.ask(&json!({ "do": "hello" })), Ended::Allowed(json!("hello")));
        self
    }

    /// The folder and the settings it runs in.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.on(|runtime| runtime.address().to_owned())
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.on(|runtime| runtime.id())
    }

    fn on<T>(&self, look: impl FnOnce(&mut Runtime) -> T) -> T {
        look(
            self.runtime
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_mut()
                .expect("a process"),
        )
    }

    /// Makes one attack, and waits for how it ends.
    pub fn ask(&self, attack: &Value) -> Ended {
        self.ask_within(attack, TIME)
    }

    /// The same, due in `time`.
    pub fn ask_within(&self, attack: &Value, time: Duration) -> Ended {
        Ended::of(self.answer(attack, time).as_ref())
    }

    fn answer(&self, attack: &Value, time: Duration) -> Option<Answer> {
        let body = activation(attack, time).to_string();
        exchange(&self.address(), "/run", body.as_bytes())
    }

    /// Makes one attack, whose end nobody looks at: reading a large answer as JSON takes longer
    /// than making it.
    fn attack_again(&self, attack: &Value) {
        drop(self.answer(attack, TIME));
    }

    /// Makes the same attack from `callers` at once: how each ended, and the most memory that the
    /// process held meanwhile, in MiB.
    pub fn attack(&self, callers: usize, attack: &Value) -> (Vec<Ended>, u64) {
        self.peak_while(|| {
            thread::scope(|scope| {
                let callers: Vec<_> =
                    (0..callers).map(|_| scope.spawn(|| self.ask(attack))).collect();
                callers.into_iter().map(|caller| caller.join().expect("a caller")).collect()
            })
        })
    }

    /// The most memory that the process holds while `attacks` are made, in MiB.
    pub fn peak_while<T>(&self, attacks: impl FnOnce() -> T) -> (T, u64) {
        let id = self.id();
        reset_peak(id);
        // The peak is sampled too: a process that ends takes its own with it.
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let sampled = scope.spawn(|| {
                let mut peak = 0;
                while !done.load(Ordering::Relaxed) {
                    peak = peak.max(crate::process::peak_of(id));
                    thread::sleep(Duration::from_millis(5));
                }
                peak.max(crate::process::peak_of(id))
            });
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attacks));
            done.store(true, Ordering::Relaxed);
            let peak = sampled.join().expect("the samples");
            (ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), peak)
        })
    }

    /// How it ended, if the process is gone.
    pub fn is_gone(&self) -> Option<String> {
        self.on(|runtime| runtime.ended().map(|status| status.to_string()))
    }

    /// Takes another process in its place, as after an attack that cost it.
    pub fn renew(&self) {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        *runtime = None;
        *runtime = Some(Runtime::of(&self.sandbox, &guest("evil")));
    }

    /// Whether a small activation is answered as if nothing had happened; else what came.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn is_well(&self) -> Result<(), String> {
        let asked = Instant::now();
        let ended = self.ask(&json!({ "do": "hello" }));
        match (ended, asked.elapsed()) {
            (Ended::Allowed(said), time) if said == "hello" && time < WELL => Ok(()),
            (ended, time) => Err(format!("the next activation took {time:?}: {ended:?}")),
        }
    }

    /// The median delay of a small activation while `attackers` make `attack` again and again.
    pub fn delay_beside(&self, attackers: usize, attack: &Value) -> Delay {
        self.delay_while(attackers, || self.attack_again(attack))
    }

    /// The median delay of a small activation while `attackers` do `attack` again and again.
    pub fn delay_while(&self, attackers: usize, attack: impl Fn() + Sync) -> Delay {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..attackers {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        attack();
                    }
                });
            }
            thread::sleep(Duration::from_millis(300));
            let (started, mut delays) = (Instant::now(), Vec::new());
            while delays.len() < SAMPLES
                && (delays.len() < FEW_SAMPLES || started.elapsed() < SAMPLING)
            {
                let asked = Instant::now();
                let ended = self.ask(&json!({ "do": "hello" }));
                delays.push(if ended == Ended::Allowed(json!("hello")) {
                    asked.elapsed()
                } else {
                    TIME
                });
                thread::sleep(Duration::from_millis(30));
            }
            over.store(true, Ordering::Relaxed);
            delays.sort_unstable();
            Delay(delays[delays.len() / 2])
        })
    }

    /// Compares the delay beside `attack` with the delay beside as many guests that compute. Of
    /// several attempts one must be good.
    ///
    /// # Errors
    /// The delays, where an attack always cost more than [`super::DELAY`].
    pub fn delays_no_more_than_a_guest_that_computes(
        &self,
        attack: &Value,
    ) -> Result<String, String> {
        self.delays_no_more_than_a_guest_that_computes_while(&|| self.attack_again(attack))
    }

    /// The same for an attack that is more than a value for the guest.
    ///
    /// # Errors
    /// The same.
    pub fn delays_no_more_than_a_guest_that_computes_while(
        &self,
        attack: &(dyn Fn() + Sync),
    ) -> Result<String, String> {
        let _alone = COMPARING.lock().unwrap_or_else(PoisonError::into_inner);
        // One more than there are threads: none is left over.
        let attackers = thread::available_parallelism().map_or(2, usize::from) + 1;
        let mut told = String::new();
        for _ in 0..ATTEMPTS {
            let computing = self.delay_beside(attackers, &json!({ "do": "spin", "ms": 300 }));
            let attacked = self.delay_while(attackers, attack);
            told = format!(
                "{:?} beside the attack, {:?} beside guests that compute",
                attacked.0, computing.0
            );
            if attacked.0 <= computing.0 + Duration::from_millis(super::DELAY) {
                return Ok(told);
            }
        }
        Err(told)
    }

    /// The settings it was started with.
    pub fn setup(&self) -> &VictimSetup {
        &self.setup
    }
}

/// The answer to a request; none where the server hung up or is gone.
fn exchange(address: &str, target: &str, body: &[u8]) -> Option<Answer> {
    TcpStream::connect(address).ok()?;
    let mut stream = send(address, "POST", target, &[("Content-Type", "application/json")], body);
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    read.ok()
        .filter(|_| bytes.windows(4).any(|window| window == b"\r\n\r\n"))
        .map(|_| Answer::parse(&bytes))
}
