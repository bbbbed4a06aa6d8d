//! Process under attack.

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

/// Time limit of an attack.
const TIME: Duration = Duration::from_secs(30);

/// Number of responses that a delay is measured by, and the time limit of the measurement: during
/// some attacks each response takes seconds.
const SAMPLES: usize = 15;
const FEW_SAMPLES: usize = 3;
const SAMPLING: Duration = Duration::from_secs(10);

/// Number of measurements of a delay, of which one must pass: other processes share the machine.
const ATTEMPTS: usize = 3;

/// Held during a comparison: delays are compared one at a time.
static COMPARING: Mutex<()> = Mutex::new(());

/// Time limit of an activation after an attack.
const WELL: Duration = Duration::from_secs(5);

/// End of an attack.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The host allowed the guest's call, with this result.
    Allowed(Value),
    /// The host rejected the call, and the guest continued.
    Refused {
        /// Kind of the error.
        kind: String,
        /// Beginning of its message.
        message: String,
        /// Length of its message in bytes.
        bytes: u64,
    },
    /// The activation failed with this message.
    Failed(String),
    /// The activation returned something else, of this many bytes.
    Returned(usize),
    /// There was no response: the process ended, or closed the connection.
    Nothing,
}

impl Ended {
    /// Reads the end of an attack from the response to its caller.
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

/// Delay of a small activation during others: the median of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delay(pub Duration);

/// Configuration of a [`Victim`].
#[derive(Debug, Clone, Default)]
pub struct VictimSetup {
    settings: BTreeMap<String, String>,
    policy: String,
}

impl VictimSetup {
    /// Returns a container with `settings` that allows concurrent activations and URLs of this
    /// machine, where the servers of the tests are.
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

    /// Adds a setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the operator's policy.
    #[must_use]
    pub fn with_policy(mut self, policy: &str) -> Self {
        policy.clone_into(&mut self.policy);
        self
    }

    /// Starts the process.
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

/// `keynet-runtime` in which the guest `evil` is loaded.
pub struct Victim {
    runtime: Mutex<Option<Runtime>>,
    sandbox: Sandbox,
    setup: VictimSetup,
}

impl Victim {
    /// Runs a first activation, so that lazily created parts exist.
    fn settled(self) -> Self {
        assert_eq!(self.ask(&json!({ "do": "hello" })), Ended::Allowed(json!("hello")));
        self
    }

    /// Returns its folder and settings.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Returns its address.
    pub fn address(&self) -> String {
        self.on(|runtime| runtime.address().to_owned())
    }

    /// Returns the id of its process.
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

    /// Runs one attack, and waits for its end.
    pub fn ask(&self, attack: &Value) -> Ended {
        self.ask_within(attack, TIME)
    }

    /// Same as [`Victim::ask`], with a deadline in `time`.
    pub fn ask_within(&self, attack: &Value, time: Duration) -> Ended {
        Ended::of(self.answer(attack, time).as_ref())
    }

    fn answer(&self, attack: &Value, time: Duration) -> Option<Answer> {
        let body = activation(attack, time).to_string();
        exchange(&self.address(), "/run", body.as_bytes())
    }

    /// Runs one attack and ignores its end: parsing a large response as JSON takes longer than the
    /// attack.
    fn attack_again(&self, attack: &Value) {
        drop(self.answer(attack, TIME));
    }

    /// Runs the same attack from `callers` concurrently. Returns each end, and the process's peak
    /// memory meanwhile in MiB.
    pub fn attack(&self, callers: usize, attack: &Value) -> (Vec<Ended>, u64) {
        self.peak_while(|| {
            thread::scope(|scope| {
                let callers: Vec<_> =
                    (0..callers).map(|_| scope.spawn(|| self.ask(attack))).collect();
                callers.into_iter().map(|caller| caller.join().expect("a caller")).collect()
            })
        })
    }

    /// Runs `attacks`, and returns the process's peak memory meanwhile in MiB.
    pub fn peak_while<T>(&self, attacks: impl FnOnce() -> T) -> (T, u64) {
        let id = self.id();
        reset_peak(id);
        // The peak is sampled too: it is lost if the process ends.
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

    /// Returns the exit status if the process has ended.
    pub fn is_gone(&self) -> Option<String> {
        self.on(|runtime| runtime.ended().map(|status| status.to_string()))
    }

    /// Replaces the process by a new one, for example after an attack that ended it.
    pub fn renew(&self) {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        *runtime = None;
        *runtime = Some(Runtime::of(&self.sandbox, &guest("evil")));
    }

    /// Checks that a small activation is answered normally.
    ///
    /// # Errors
    /// A description of the response.
    pub fn is_well(&self) -> Result<(), String> {
        let asked = Instant::now();
        let ended = self.ask(&json!({ "do": "hello" }));
        match (ended, asked.elapsed()) {
            (Ended::Allowed(said), time) if said == "hello" && time < WELL => Ok(()),
            (ended, time) => Err(format!("the next activation took {time:?}: {ended:?}")),
        }
    }

    /// Returns the median delay of a small activation while `attackers` repeat `attack`.
    pub fn delay_beside(&self, attackers: usize, attack: &Value) -> Delay {
        self.delay_while(attackers, || self.attack_again(attack))
    }

    /// Same as [`Victim::delay_beside`], for an attack that is a function.
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

    /// Compares the delay during `attack` with the delay during as many compute-bound guests. One
    /// of several attempts must pass.
    ///
    /// # Errors
    /// The delays, if every attempt cost more than [`super::DELAY`].
    pub fn delays_no_more_than_a_guest_that_computes(
        &self,
        attack: &Value,
    ) -> Result<String, String> {
        self.delays_no_more_than_a_guest_that_computes_while(&|| self.attack_again(attack))
    }

    /// Same as [`Victim::delays_no_more_than_a_guest_that_computes`], for an attack that is more
    /// than a value for the guest.
    ///
    /// # Errors
    /// The delays, if every attempt cost more than [`super::DELAY`].
    pub fn delays_no_more_than_a_guest_that_computes_while(
        &self,
        attack: &(dyn Fn() + Sync),
    ) -> Result<String, String> {
        let _alone = COMPARING.lock().unwrap_or_else(PoisonError::into_inner);
        // One more than the number of threads, so that all are busy.
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

    /// Returns the configuration that it was started with.
    pub fn setup(&self) -> &VictimSetup {
        &self.setup
    }
}

/// Sends a request and returns the response; `None` if the server closed the connection or has
/// ended.
fn exchange(address: &str, target: &str, body: &[u8]) -> Option<Answer> {
    TcpStream::connect(address).ok()?;
    let mut stream = send(address, "POST", target, &[("Content-Type", "application/json")], body);
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    read.ok()
        .filter(|_| bytes.windows(4).any(|window| window == b"\r\n\r\n"))
        .map(|_| Answer::parse(&bytes))
}
