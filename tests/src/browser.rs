//! A real browser: headless Chromium, driven by the DevTools protocol.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::process::Process;
use crate::root;

/// Time for anything that a test waits for: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Script that runs in each document before its own.
const WATCH: &str = "window.__violations = []; addEventListener('securitypolicyviolation', \
    event => window.__violations.push(event.effectiveDirective + ' ' + event.blockedURI), true);";

/// Browser with one tab.
pub struct Browser {
    _process: Process,
    input: ChildStdin,
    output: Receiver<Value>,
    events: Vec<Value>,
    calls: u64,
    session: Option<String>,
    _profile: tempfile::TempDir,
}

/// Key of the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Tabulator: to the next control.
    Tab,
    /// Tabulator with shift: to the previous control.
    BackTab,
    /// Enter.
    Enter,
}

impl Browser {
    /// Starts it, with an empty tab of 1,200 x 900 pixels.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(root().join("tests/servers/chromium.sh"));
        command.arg("run").arg(profile.path());
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let input = process.pipes().stdin.take().expect("a pipe");
        let pipe = process.pipes().stdout.take().expect("a pipe");
        let (sender, output) = channel();
        thread::spawn(move || {
            let messages = BufReader::new(pipe).split(0).map_while(Result::ok);
            for message in messages.filter_map(|bytes| serde_json::from_slice(&bytes).ok()) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let (events, profile) = (Vec::new(), profile);
        let mut browser = Self {
            _process: process,
            input,
            output,
            events,
            calls: 0,
            session: None,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.call(
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log", "DOM"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        browser.size(1200, 900);
        browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }));
        browser
    }

    /// Sends a command and returns its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut command = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let sent = self.input.write_all(format!("{command}\0").as_bytes());
        sent.and_then(|()| self.input.flush())
            .expect("chromium; `tests/servers/chromium.sh install` brings it");
        let started = Instant::now();
        loop {
            let message = self.output.recv_timeout(PATIENCE.saturating_sub(started.elapsed()));
            let message = match message {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer in {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: chromium has ended"),
            };
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Sets the size of the page in pixels.
    pub fn size(&mut self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Prefers the colour scheme `dark` or `light`.
    pub fn prefer(&mut self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Opens a URL, and waits until its document is complete.
    pub fn open(&mut self, url: &str) {
        let navigated = self.call("Page.navigate", json!({ "url": url }));
        assert!(navigated.get("errorText").is_none(), "{url}: {navigated}");
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// Evaluates an expression in the page; a promise is awaited.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Returns the text of the first element that `selector` matches.
    pub fn text(&mut self, selector: &str) -> String {
        let found = self.evaluate(&format!(
            "document.querySelector({})?.innerText ?? ''",
            Value::from(selector)
        ));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        let started = Instant::now();
        while self.evaluate(&format!("Boolean({expression})")) != true {
            if started.elapsed() > PATIENCE {
                let page = self.evaluate("document.body.innerText");
                panic!("not so within {PATIENCE:?}: {expression}\n{}", page.as_str().unwrap_or(""));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the text of `selector` contains `text`.
    pub fn until_says(&mut self, selector: &str, text: &str) {
        let (selector, text) = (Value::from(selector), Value::from(text));
        self.until(&format!("document.querySelector({selector})?.innerText.includes({text})"));
    }

    /// Presses and releases a key.
    pub fn press(&mut self, key: Key) {
        let (name, code, modifiers, text) = match key {
            Key::Tab => ("Tab", 9, 0, ""),
            Key::BackTab => ("Tab", 9, 8, ""),
            Key::Enter => ("Enter", 13, 0, "\r"),
        };
        let mut event = json!({
            "key": name, "code": name, "windowsVirtualKeyCode": code, "modifiers": modifiers,
            "type": if text.is_empty() { "rawKeyDown" } else { "keyDown" },
        });
        if !text.is_empty() {
            event["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", event.clone());
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Types text into the control that has the focus.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Clicks the middle of an element.
    pub fn click(&mut self, selector: &str) {
        let (x, y) = self.middle(selector);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Drops a file on an element.
    pub fn drop_file(&mut self, selector: &str, file: &Path) {
        let (x, y) = self.middle(selector);
        let data = json!({ "items": [], "files": [file], "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            let event = json!({ "type": kind, "x": x, "y": y, "data": data });
            self.call("Input.dispatchDragEvent", event);
        }
    }

    fn middle(&mut self, selector: &str) -> (f64, f64) {
        let place = self.evaluate(&format!(
            "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{ block: 'center' }}); \
                const box = it.getBoundingClientRect(); \
                return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            Value::from(selector)
        ));
        (place[0].as_f64().expect("a place"), place[1].as_f64().expect("a place"))
    }

    /// Returns the page as a PNG file.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let taken = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        BASE64_STANDARD.decode(taken["data"].as_str().expect("a picture")).expect("base64")
    }

    /// Returns the parameters of the events `method` so far.
    pub fn events(&mut self, method: &str) -> Vec<Value> {
        self.evaluate("0"); // what happened before is told before
        let named = self.events.iter().filter(|event| event["method"] == method);
        named.map(|event| event["params"].clone()).collect()
    }

    /// Returns the URLs of all requests so far, also of those that were blocked.
    pub fn requests(&mut self) -> Vec<String> {
        let sent = self.events("Network.requestWillBeSent");
        let urls = sent.iter().filter_map(|event| event["request"]["url"].as_str());
        urls.map(str::to_owned).collect()
    }

    /// Sets the text of a control as a user does.
    pub fn set(&mut self, selector: &str, text: &str) {
        self.click(selector);
        self.evaluate(&format!("document.querySelector({}).select()", Value::from(selector)));
        self.write(text);
    }

    /// Presses the tabulator until `condition` holds.
    pub fn tab_to(&mut self, condition: &str) {
        for _ in 0..60 {
            self.press(Key::Tab);
            if self.evaluate(condition) == true {
                return;
            }
        }
        panic!("the tabulator does not lead there: {condition}");
    }

    /// Opens the URL a few times, and prints the times from the navigation to the first paint with
    /// content, in milliseconds.
    pub fn tell_first_paint(&mut self, page: &str, url: &str) {
        const NAME: &str = "performance.getEntriesByName('first-contentful-paint')";
        let mut times = Vec::new();
        for _ in 0..5 {
            self.open(url);
            self.until(&format!("{NAME}.length"));
            let paint = self.evaluate(&format!("{NAME}[0].startTime"));
            times.push(paint.as_f64().unwrap_or_default().round());
        }
        times.sort_by(f64::total_cmp);
        eprintln!("first contentful paint of {page}: {times:?} ms");
    }

    /// Asserts that no script of an action ran, and that the page's own code gave no reason to
    /// block.
    pub fn assert_no_script_ran(&mut self) {
        assert_eq!(self.evaluate("typeof window.__pwned"), "undefined");
        assert_eq!(self.violations(), json!([]));
        for event in ["Runtime.exceptionThrown", "Page.javascriptDialogOpening"] {
            assert_eq!(self.events(event), [Value::Null; 0], "{event}");
        }
        let errors: Vec<_> = self
            .events("Log.entryAdded")
            .into_iter()
            .filter(|event| event["entry"]["source"] == "security")
            .collect();
        assert_eq!(errors, [Value::Null; 0]);
    }

    /// Returns the violations of the content security policy in this document.
    pub fn violations(&mut self) -> Value {
        self.evaluate("window.__violations")
    }
}
