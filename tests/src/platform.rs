//! Stand-in for the Keynet platform, which is not available to the tests: it returns the platform's
//! responses, and accepts only requests that the platform is known to accept. A request with a
//! missing or an additional field, header or step is rejected with 400, and makes the test fail at
//! the end.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::oci::MANIFEST;
use crate::wire::{Body, Head};

/// E-mail address of the only user.
pub const EMAIL: &str = "ada@example.com";
/// Password of the user.
pub const PASSWORD: &str = "p4ssw0rd-of-ada";
/// Prefix of every token.
pub const TOKEN: &str = "t0ken-of-ada-";
/// Prefix of every upload key.
pub const KEY: &str = "unique-key-";
/// Path that the command line appends to the server's address.
pub const APP: &str = "/app-training";

/// Request to the Keynet platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Sign-in with an e-mail address and a password, for a token.
    SignIn,
    /// Request for an upload key and the image reference to push to.
    Runtime,
    /// Upload of the function's file.
    Code,
    /// Creation of the function.
    Function,
}

impl Step {
    fn of(path: &str) -> Option<Self> {
        match path.strip_prefix(APP)? {
            "/v1/auth/sign-in/one-time" => Some(Self::SignIn),
            "/v1/actions/runtimes" => Some(Self::Runtime),
            "/v1/actions/code" => Some(Self::Code),
            "/v1/actions/cli" => Some(Self::Function),
            _ => None,
        }
    }
}

/// Fault injected in place of a response.
#[derive(Debug, Clone)]
pub enum Act {
    /// Responds with this status and body.
    Answer(u16, String),
    /// Redirects the client to another address.
    Redirect(String),
    /// Closes the connection without a response.
    HangUp,
    /// Processes the request, and closes the connection without a response.
    LoseAnswer,
    /// Sends nothing until the client disconnects.
    Hold,
}

/// Function that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Reference of its artifact: `HOST/PROJECT/NAME:TAG`.
    pub image: String,
    /// Name of its file.
    pub file_name: String,
    /// Content of its file.
    pub code: Vec<u8>,
}

struct Runtime {
    name: String,
    image: String,
}

#[derive(Default)]
struct State {
    seen: Vec<Step>,
    wrong: Vec<String>,
    acts: Vec<(Step, Act)>,
    tokens: Vec<String>,
    runtimes: BTreeMap<String, Runtime>,
    code: BTreeMap<i64, (String, Vec<u8>)>,
    functions: Vec<Function>,
}

struct Shared {
    harbor: Harbor,
    image: Mutex<Option<String>>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Registry that the platform gives its users: any registry that requires a password.
#[derive(Debug, Clone)]
pub struct Harbor {
    /// `host:port` at which users reach it.
    pub host: String,
    /// `host:port` at which the stand-in checks its content.
    pub inside: String,
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// Running stand-in.
pub struct Platform {
    address: String,
    shared: Arc<Shared>,
}

impl Platform {
    /// Starts the stand-in.
    pub fn start(harbor: Harbor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared {
            harbor,
            image: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let keep = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || connection(client, &shared));
            }
        });
        Self { address, shared: keep }
    }

    /// Returns its address as users know it, without the path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Applies `act` to the next request for `step`; a second call applies to the request after
    /// that.
    pub fn next(&self, step: Step, act: Act) {
        self.state().acts.push((step, act));
    }

    /// Sets the image reference that artifacts must be pushed to, in place of the stand-in's own
    /// registry.
    pub fn wants_artifacts_at(&self, image: &str) {
        *self.shared.image.lock().expect("the place") = Some(image.to_owned());
    }

    /// Returns the steps that were requested, in order.
    pub fn seen(&self) -> Vec<Step> {
        self.state().seen.clone()
    }

    /// Returns the functions that were created.
    pub fn functions(&self) -> Vec<Function> {
        self.state().functions.clone()
    }

    /// Waits until `step` is requested.
    pub fn wait_for(&self, step: Step) {
        let waiting = |state: &mut State| !state.seen.contains(&step);
        let (_state, ended) = self
            .shared
            .changed
            .wait_timeout_while(self.state(), Duration::from_secs(60), waiting)
            .expect("the state");
        assert!(!ended.timed_out(), "nobody asks for {step:?}");
    }

    /// Clears the list of requested steps.
    pub fn forget(&self) {
        self.state().seen.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if !thread::panicking() {
            let state = self.state();
            assert!(
                state.wrong.is_empty(),
                "the platform would not have taken this: {:#?}",
                state.wrong
            );
            assert!(state.acts.is_empty(), "nobody met {:?}", state.acts);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    /// Reports whether the registry has a manifest with this reference.
    fn has(&self, image: &str) -> bool {
        let Some((_, path)) = image.split_once('/') else { return false };
        let Some((repository, tag)) = path.rsplit_once(':') else { return false };
        let login = BASE64.encode(format!("{}:{}", self.harbor.username, self.harbor.password));
        let headers =
            [("Authorization", format!("Basic {login}")), ("Accept", MANIFEST.to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        crate::http(
            &self.harbor.inside,
            "HEAD",
            &format!("/v2/{repository}/manifests/{tag}"),
            &headers,
            b"",
        )
        .status
            == 200
    }
}

fn connection(client: TcpStream, shared: &Shared) {
    let Ok(mut back) = client.try_clone() else { return };
    let mut client = BufReader::new(client);
    while let Ok(Some(head)) = Head::read(&mut client) {
        let (step, closes) = (Step::of(head.word(1)), head.closes());
        let act = begin(step, shared);
        let mut body = Vec::new();
        if Body::new(&mut client, head.request_framing()).read_to_end(&mut body).is_err() {
            break;
        }
        let (status, text) = match act {
            Some(Act::Answer(status, text)) => (status, text),
            Some(Act::Redirect(to)) => {
                let _ = write!(
                    back,
                    "HTTP/1.1 307 Elsewhere\r\nLocation: {to}\r\nContent-Length: \
                    0\r\n\r\n"
                );
                continue;
            }
            Some(Act::HangUp) => break,
            Some(Act::Hold) => {
                let _ = client.read_exact(&mut [0]);
                break;
            }
            Some(Act::LoseAnswer) => {
                answer(step, &head, &body, shared);
                break;
            }
            None => answer(step, &head, &body, shared),
        };
        let head = format!(
            "HTTP/1.1 {status} Answer\r\nContent-Type: \
            application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        if back.write_all(head.as_bytes()).and_then(|()| back.write_all(text.as_bytes())).is_err() {
            break;
        }
        if closes {
            break;
        }
    }
    let _ = back.shutdown(Shutdown::Both);
}

/// Records the request, and returns the fault to apply to it.
fn begin(step: Option<Step>, shared: &Shared) -> Option<Act> {
    let mut state = shared.state();
    state.seen.extend(step);
    shared.changed.notify_all();
    let at = state.acts.iter().position(|(of, _)| Some(*of) == step)?;
    Some(state.acts.remove(at).1)
}

/// Returns the platform's response, or the description of what is wrong with the request.
fn answer(step: Option<Step>, head: &Head, body: &[u8], shared: &Shared) -> (u16, String) {
    let answered = match step {
        Some(step) => checked(step, head).and_then(|()| match step {
            Step::SignIn => sign_in(head, body, shared),
            Step::Runtime => signed_in(head, shared).and_then(|()| runtime(head, body, shared)),
            Step::Code => signed_in(head, shared).and_then(|()| code(head, body, shared)),
            Step::Function => signed_in(head, shared).and_then(|()| function(head, body, shared)),
        }),
        None => Err(format!("there is nothing at {}", head.word(1))),
    };
    let (status, answer) = answered.unwrap_or_else(|why| {
        shared.state().wrong.push(format!("{}: {why}", head.first));
        (400, json!({ "message": why }))
    });
    (status, answer.to_string())
}

type Answered = Result<(u16, Value), String>;

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

fn checked(step: Step, head: &Head) -> Result<(), String> {
    ensure(head.word(0) == "POST", || format!("{step:?} wants POST"))?;
    ensure(head.get("host").is_some(), || "no Host".to_owned())?;
    ensure(head.get("cookie").is_none(), || "a cookie that nobody gave it".to_owned())
}

/// Parses the body as a JSON object with exactly these fields.
fn fields(head: &Head, body: &[u8], names: &[&str]) -> Result<Value, String> {
    let kind = head.get("content-type").unwrap_or_default();
    ensure(kind.split(';').next() == Some("application/json"), || {
        format!("Content-Type is {kind:?}")
    })?;
    let value: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let have: Vec<_> =
        value.as_object().ok_or("no JSON object")?.keys().map(String::as_str).collect();
    let mut want = names.to_vec();
    want.sort_unstable();
    ensure(have == want, || format!("the fields are {have:?}, not {want:?}"))?;
    Ok(value)
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value[name]
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| format!("{name} is {}, no text", value[name]))
}

fn sign_in(head: &Head, body: &[u8], shared: &Shared) -> Answered {
    ensure(head.get("authorization").is_none(), || {
        "an Authorization before there is a token".to_owned()
    })?;
    let body = fields(head, body, &["email", "password"])?;
    if (text(&body, "email")?, text(&body, "password")?) != (EMAIL, PASSWORD) {
        return Ok((401, json!({ "message": "The e-mail address or the password is wrong." })));
    }
    let mut state = shared.state();
    let token = format!("{TOKEN}{}", state.tokens.len());
    state.tokens.push(token.clone());
    let Harbor { host, username, password, .. } = &shared.harbor;
    let harbor = json!({ "url": host, "username": username, "password": password });
    Ok((
        200,
        json!({ "accessToken": token, "accessTokenExpiresAt": "2099-12-31T23:59:59.999Z", "harbor": harbor }),
    ))
}

fn signed_in(head: &Head, shared: &Shared) -> Result<(), String> {
    let given = head.get("authorization").unwrap_or_default();
    let known = shared.state().tokens.iter().any(|token| given == format!("Bearer {token}"));
    ensure(known, || "the Authorization is no token that was given".to_owned())
}

fn runtime(head: &Head, body: &[u8], shared: &Shared) -> Answered {
    let body = fields(head, body, &["runtimeName"])?;
    let name = text(&body, "runtimeName")?.to_owned();
    let mut state = shared.state();
    let id = 196 + state.runtimes.len();
    let key = format!("{KEY}{id}");
    let image = shared.image.lock().expect("the place").clone();
    let image = image.unwrap_or_else(|| format!("{}/inference/{name}:{id}", shared.harbor.host));
    state.runtimes.insert(key.clone(), Runtime { name, image: image.clone() });
    let command = json!({ "tag": format!("docker tag <IMAGE> {image}"), "push": format!("docker \
        push {image}") });
    Ok((200, json!({ "id": id, "uploadKey": key, "command": command })))
}

fn code(head: &Head, body: &[u8], shared: &Shared) -> Answered {
    let kind = head.get("content-type").unwrap_or_default();
    let boundary = kind
        .strip_prefix("multipart/form-data; boundary=")
        .ok_or_else(|| format!("Content-Type is {kind:?}"))?;
    let (name, bytes) = only_part(body, boundary.trim_matches('"'))?;
    let newest = shared
        .state()
        .runtimes
        .values()
        .last()
        .map(|runtime| runtime.image.clone())
        .ok_or("no upload key was asked for")?;
    ensure(shared.has(&newest), || {
        format!("the code comes before its artifact: nothing is at {newest}")
    })?;
    let mut state = shared.state();
    let id = 216 + i64::try_from(state.code.len()).expect("a small number");
    state.code.insert(id, (name.clone(), bytes));
    Ok((201, json!({ "id": id, "code": "", "fileName": name })))
}

/// Returns the file name and the bytes of a form whose only part is the field `code`.
fn only_part(body: &[u8], boundary: &str) -> Result<(String, Vec<u8>), String> {
    let start = format!("--{boundary}\r\n").into_bytes();
    let end = format!("\r\n--{boundary}--\r\n").into_bytes();
    let part = body
        .strip_prefix(&start[..])
        .and_then(|rest| rest.strip_suffix(&end[..]))
        .ok_or("no multipart form")?;
    let between = format!("\r\n--{boundary}").into_bytes();
    ensure(!part.windows(between.len()).any(|window| window == between), || {
        "more than one part".to_owned()
    })?;
    let split =
        part.windows(4).position(|window| window == b"\r\n\r\n").ok_or("a part without a head")?;
    let head = std::str::from_utf8(&part[..split]).map_err(|error| error.to_string())?;
    let disposition = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))
        .unwrap_or_default();
    let file = disposition
        .split_once(r#"form-data; name="code"; filename=""#)
        .and_then(|(_, rest)| rest.strip_suffix('"'));
    let file = file.ok_or_else(|| format!("the part is not the file `code`: {head:?}"))?;
    Ok((file.to_owned(), part[split + 4..].to_vec()))
}

fn function(head: &Head, body: &[u8], shared: &Shared) -> Answered {
    let body = fields(
        head,
        body,
        &["lambdaId", "displayName", "description", "kind", "parameters", "uploadKey"],
    )?;
    let mut state = shared.state();
    let key = text(&body, "uploadKey")?;
    let runtime = state.runtimes.get(key).ok_or_else(|| format!("{key} is no upload key"))?;
    let name = text(&body, "displayName")?.to_owned();
    ensure(name == runtime.name, || {
        format!("the function is {name}, its runtime {}", runtime.name)
    })?;
    ensure(body["kind"] == "BlackBox", || format!("kind is {}", body["kind"]))?;
    ensure(body["parameters"] == json!({}), || format!("parameters is {}", body["parameters"]))?;
    let id =
        body["lambdaId"].as_i64().ok_or_else(|| format!("lambdaId is {}", body["lambdaId"]))?;
    let (file_name, code) =
        state.code.get(&id).cloned().ok_or_else(|| format!("{id} is no code"))?;
    let image = runtime.image.clone();
    let description = text(&body, "description")?.to_owned();
    state.functions.push(Function { name: name.clone(), description, image, file_name, code });
    let answer = json!({ "id": 122 + state.functions.len(), "displayName": name, "lambdaId": id, "code": "",
                         "createdBy": "6f1f8f1c-52a1-4a7b-9d0c-3f4f5a6b7c8d" });
    Ok((201, answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    /// Starts a stand-in whose registry reports that every manifest exists, or none.
    fn platform(has: bool) -> (Platform, crate::proxy::Proxy) {
        use crate::proxy::{ALL, Fault, Proxy};
        let registry = Proxy::before(&crate::free_address());
        registry.on("HEAD", "/manifests/", ALL, Fault::status(if has { 200 } else { 404 }));
        let host = registry.address().to_owned();
        let harbor = Harbor {
            host: host.clone(),
            inside: host,
            username: "alice".into(),
            password: "s3cret".into(),
        };
        (Platform::start(harbor), registry)
    }

    fn post(
        platform: &Platform,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Value) {
        let answer = http(
            platform.url().strip_prefix("http://").unwrap(),
            "POST",
            &format!("{APP}/v1/{path}"),
            headers,
            body,
        );
        (answer.status, answer.json())
    }

    const JSON: (&str, &str) = ("Content-Type", "application/json");
    const FORM: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=xx");
    const FILE: &[u8] = b"--xx\r\nContent-Disposition: form-data; name=\"code\"; \
        filename=\"a.wasm\"\r\nContent-Type: application/wasm\r\n\r\nbytes\r\n--xx--\r\n";

    fn sign_in(platform: &Platform) -> String {
        let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
        let (status, answer) = post(platform, "auth/sign-in/one-time", &[JSON], body.as_bytes());
        assert_eq!(status, 200, "{answer}");
        format!("Bearer {}", answer["accessToken"].as_str().unwrap())
    }

    fn forgive(platform: &Platform) -> Vec<String> {
        std::mem::take(&mut platform.state().wrong)
    }

    #[test]
    fn it_takes_the_steps_as_the_old_package_sends_them() {
        let (platform, _registry) = platform(true);
        let token = sign_in(&platform);
        let bearer = ("Authorization", token.as_str());
        let (_, runtime) =
            post(&platform, "actions/runtimes", &[JSON, bearer], br#"{"runtimeName": "hello"}"#);
        let (status, code) = post(&platform, "actions/code", &[FORM, bearer], FILE);
        assert_eq!((status, &code["fileName"]), (201, &json!("a.wasm")));
        let function = json!({ "lambdaId": code["id"], "displayName": "hello", "description": "Greets.", "kind": "BlackBox", "parameters": {},
                               "uploadKey": runtime["uploadKey"] });
        let (status, made) =
            post(&platform, "actions/cli", &[JSON, bearer], function.to_string().as_bytes());
        assert_eq!((status, &made["displayName"]), (201, &json!("hello")));
        assert_eq!(platform.functions()[0].code, b"bytes");
        assert_eq!(platform.seen(), [Step::SignIn, Step::Runtime, Step::Code, Step::Function]);
    }

    #[test]
    fn it_takes_nothing_else() {
        let (platform, _registry) = platform(false);
        let token = sign_in(&platform);
        let bearer = ("Authorization", token.as_str());
        let key =
            post(&platform, "actions/runtimes", &[JSON, bearer], br#"{"runtimeName": "hello"}"#).1
                ["uploadKey"]
                .clone();
        assert!(forgive(&platform).is_empty());
        let function = json!({ "lambdaId": 216, "displayName": "hello", "description": "Greets.", "kind": "BlackBox", "parameters": {}, "uploadKey": key });
        let mut more = function.clone();
        more["extra"] = json!(1);
        type Request<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>);
        let wrong: [Request<'_>; 10] = [
            ("auth/sign-in/one-time", &[JSON, bearer], br#"{"email":"a","password":"b"}"#.to_vec()),
            (
                "auth/sign-in/one-time",
                &[JSON],
                br#"{"email":"a","password":"b","remember":true}"#.to_vec(),
            ),
            ("actions/runtimes", &[JSON], br#"{"runtimeName":"hello"}"#.to_vec()),
            ("actions/runtimes", &[bearer], br#"{"runtimeName":"hello"}"#.to_vec()),
            ("actions/runtimes", &[JSON, bearer], br#"{"name":"hello"}"#.to_vec()),
            // before its artifact is in the registry
            ("actions/code", &[FORM, bearer], FILE.to_vec()),
            ("actions/code", &[JSON, bearer], FILE.to_vec()),
            ("actions/cli", &[JSON, bearer], function.to_string().into_bytes()), // before its code
            ("actions/cli", &[JSON, bearer], more.to_string().into_bytes()),
            ("actions", &[JSON, bearer], b"{}".to_vec()),
        ];
        for (path, headers, body) in wrong {
            let (status, answer) = post(&platform, path, headers, &body);
            assert_eq!(
                (status, forgive(&platform).len()),
                (400, 1),
                "{path} {headers:?}: {answer}"
            );
        }
        assert!(platform.functions().is_empty());
    }
}
