//! Presigned URLs of the embedded store: `BASE/KEY?expires=UNIX&method=GET&signature=HEX`, for PUT
//! with `content-type=` after the method.
//!
//! The signature is keyed BLAKE3 over a label, the method, the key, the content type and the
//! expiry, each preceded by its length, so that no two grants have the same signed text. The host
//! is not signed: every server of the folder with the same key accepts its URLs. One state folder
//! is therefore one store.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use url::Url;
use url::form_urlencoded;

use super::super::{ContentType, Location, ObjectKey, Presign};
use keynet_base::error::{Error, Result};

const LABEL: &[u8] = b"keynet-inference embedded storage URL v1";

/// Operation that a URL permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read the object: GET and HEAD.
    Get,
    /// Write the object: PUT.
    Put,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

/// Permission that a verified URL grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Key of the object.
    pub key: ObjectKey,
    /// Content type that the writer must send; `Some` only for [`Method::Put`].
    pub content_type: Option<ContentType>,
}

/// Signer and verifier of URLs, with its own key. Cheap to clone.
#[derive(Clone)]
pub struct UrlSigner(Arc<Inner>);

struct Inner {
    key: [u8; 32],
    public: Option<Url>,
    internal: Option<Url>,
}

/// Omits the key.
impl fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.0.public.as_ref().map(Url::as_str);
        f.debug_struct("UrlSigner").field("public", &public).finish_non_exhaustive()
    }
}

impl UrlSigner {
    /// Creates a signer whose URLs begin with `public`; without it, the signer makes no URLs. URLs
    /// that begin with `internal` are verified too.
    ///
    /// # Errors
    /// `invalid`: a base that is not an http(s) URL with a host and an optional path.
    pub fn new(key: [u8; 32], public: Option<Url>, internal: Option<Url>) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            key,
            public: public.map(base).transpose()?,
            internal: internal.map(base).transpose()?,
        })))
    }

    /// Returns the base of its URLs.
    pub fn public_url(&self) -> Option<&Url> {
        self.0.public.as_ref()
    }

    /// Returns a URL that permits `method` on `key` for `ttl` from `now`. [`Method::Put`] requires
    /// a content type, [`Method::Get`] requires none.
    ///
    /// # Errors
    /// `unavailable`: no public URL is configured.
    pub fn sign(
        &self,
        method: Method,
        key: &ObjectKey,
        content_type: Option<&ContentType>,
        ttl: Duration,
        now: SystemTime,
    ) -> Result<Url> {
        let mut url = self.0.public.clone().ok_or_else(|| {
            Error::unavailable(
                "the embedded object store has no address that others could read from: set \
                    KEYNET_STORAGE_PUBLIC_URL to where `keynet-inference storage serve` is \
                    reached, or use S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_BUCKET_NAME \
                    and MLFLOW_S3_ENDPOINT_URL",
            )
        })?;
        let expires = unix(now).saturating_add(ttl.as_secs());
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(key.as_str().split('/'));
        }
        let mut query = url.query_pairs_mut();
        query.append_pair("expires", &expires.to_string()).append_pair("method", method.as_str());
        if let Some(content_type) = content_type {
            query.append_pair("content-type", content_type.as_str());
        }
        query.append_pair(
            "signature",
            self.signature(method, key.as_str(), content_type, expires).to_hex().as_str(),
        );
        drop(query);
        Ok(url)
    }

    /// Verifies `url` and returns the grant.
    ///
    /// # Errors
    /// `denied`: it is not a URL of this store, was not signed by it for `method`, or has expired.
    /// Only expiry is distinguished in the text.
    pub fn verify(&self, method: Method, url: &Url, now: SystemTime) -> Result<Grant> {
        let path = self
            .relative(url)
            .ok_or_else(|| Error::denied("the URL is not one of this object store"))?;
        self.verify_parts(method, path, url.query().unwrap_or_default(), now)
    }

    /// Same as [`Self::verify`], for a request's path and query; the path may begin with the path
    /// of the public URL.
    pub(super) fn verify_request(
        &self,
        method: Method,
        path: &str,
        query: &str,
        now: SystemTime,
    ) -> Result<Grant> {
        let prefix = self.0.public.as_ref().map_or("/", Url::path);
        let path = path.strip_prefix(prefix).or_else(|| path.strip_prefix('/')).unwrap_or(path);
        self.verify_parts(method, path, query, now)
    }

    fn verify_parts(
        &self,
        method: Method,
        path: &str,
        query: &str,
        now: SystemTime,
    ) -> Result<Grant> {
        let refuse = || {
            Error::denied(format!(
                "the URL was not signed by this object store for {}",
                method.as_str()
            ))
        };
        let key = percent_decode_str(path)
            .decode_utf8()
            .ok()
            .and_then(|key| ObjectKey::parse(&key).ok())
            .ok_or_else(refuse)?;
        let claim = Claim::read(query).ok_or_else(refuse)?;
        let content_type = claim
            .content_type
            .as_deref()
            .map(ContentType::parse)
            .transpose()
            .map_err(|_| refuse())?;
        let expected = self.signature(method, key.as_str(), content_type.as_ref(), claim.expires);
        // The method is signed; the query parameter only documents what the URL is for. Comparison
        // of hashes takes constant time.
        if claim.method != method.as_str()
            || claim.signature != expected
            || content_type.is_some() != (method == Method::Put)
        {
            return Err(refuse());
        }
        if unix(now) >= claim.expires {
            return Err(Error::denied(format!(
                "the URL of `{}` has expired",
                Location::of(key).label()
            )));
        }
        Ok(Grant { key, content_type })
    }

    fn signature(
        &self,
        method: Method,
        key: &str,
        content_type: Option<&ContentType>,
        expires: u64,
    ) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0.key);
        let content_type = content_type.map(ContentType::as_str).unwrap_or_default();
        for field in [
            LABEL,
            method.as_str().as_bytes(),
            key.as_bytes(),
            content_type.as_bytes(),
            &expires.to_le_bytes(),
        ] {
            hasher.update(&(field.len() as u64).to_le_bytes()).update(field);
        }
        hasher.finalize()
    }

    /// Returns the path of `url` below the base it begins with.
    fn relative<'u>(&self, url: &'u Url) -> Option<&'u str> {
        let below = |base: &Url| match base.origin() == url.origin() {
            true => url.path().strip_prefix(base.path()),
            false => None,
        };
        [&self.0.public, &self.0.internal].into_iter().flatten().find_map(below)
    }
}

#[async_trait]
impl Presign for UrlSigner {
    async fn presign_get(&self, key: &ObjectKey, ttl: Duration) -> Result<Url> {
        self.sign(Method::Get, key, None, ttl, SystemTime::now())
    }

    async fn presign_put(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        ttl: Duration,
    ) -> Result<Url> {
        self.sign(Method::Put, key, Some(content_type), ttl, SystemTime::now())
    }

    fn readable(&self, url: &Url) -> Option<Result<ObjectKey>> {
        self.relative(url)?;
        Some(self.verify(Method::Get, url, SystemTime::now()).map(|grant| grant.key))
    }
}

/// Parameters of a query before verification. Each parameter occurs once; others are rejected.
struct Claim<'q> {
    expires: u64,
    method: Cow<'q, str>,
    content_type: Option<Cow<'q, str>>,
    signature: blake3::Hash,
}

impl<'q> Claim<'q> {
    fn read(query: &'q str) -> Option<Self> {
        let (mut expires, mut method, mut content_type, mut signature) = (None, None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "expires" => &mut expires,
                "method" => &mut method,
                "content-type" => &mut content_type,
                "signature" => &mut signature,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        Some(Self {
            expires: expires?.parse().ok()?,
            method: method?,
            content_type,
            signature: blake3::Hash::from_hex(signature?.as_bytes()).ok()?,
        })
    }
}

/// Checks a base URL and ends its path with a slash, so that it is never a prefix of another name.
fn base(mut url: Url) -> Result<Url> {
    if !matches!(url.scheme(), "http" | "https")
        || url.host_str().is_none()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(Error::invalid(format!(
            "`{url}` is not a base of storage URLs such as `http://127.0.0.1:9797/`"
        )));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;

    const TTL: Duration = Duration::from_secs(100);

    fn signer() -> UrlSigner {
        UrlSigner::new([7; 32], Some(Url::parse("http://127.0.0.1:9797/").unwrap()), None).unwrap()
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn what_is_signed_is_verified_whatever_the_key() {
        let png = ContentType::parse("text/plain; charset=utf-8").unwrap();
        for prefixed in
            ["http://127.0.0.1:9797/", "https://example.com/a/b", "https://example.com/a%20b/"]
        {
            let signer =
                UrlSigner::new([7; 32], Some(Url::parse(prefixed).unwrap()), None).unwrap();
            for key in [
                "a",
                "20260131/cat.png",
                "a b/ü?x#y",
                "100%/%2e%2e/%2F",
                "..a/b..",
                "a\\b",
                "a&b=c+d;e",
                "~'\"<>{}|^`[]",
                "日本/語",
            ] {
                let key = ObjectKey::parse(key).unwrap();
                let url = signer.sign(Method::Get, &key, None, TTL, now()).unwrap();
                let again = Url::parse(url.as_str()).unwrap();
                assert_eq!(
                    signer.verify(Method::Get, &again, now()).unwrap(),
                    Grant { key: key.clone(), content_type: None },
                    "{url}"
                );
                assert_eq!(
                    signer
                        .verify_request(Method::Get, url.path(), url.query().unwrap(), now())
                        .unwrap()
                        .key,
                    key
                );
                let url = signer.sign(Method::Put, &key, Some(&png), TTL, now()).unwrap();
                assert_eq!(
                    signer.verify(Method::Put, &url, now()).unwrap(),
                    Grant { key, content_type: Some(png.clone()) }
                );
            }
        }
    }

    #[test]
    fn a_url_is_as_the_documentation_says() {
        let url = signer()
            .sign(Method::Get, &ObjectKey::parse("20260131/a b.png").unwrap(), None, TTL, now())
            .unwrap();
        let (start, signature) = url.as_str().split_once("&signature=").unwrap();
        assert_eq!(start, "http://127.0.0.1:9797/20260131/a%20b.png?expires=1800000100&method=GET");
        assert_eq!(signature.len(), 64);
    }

    #[test]
    fn every_change_of_a_url_is_refused() {
        let signer = signer();
        let key = ObjectKey::parse("a/b.png").unwrap();
        let png = ContentType::parse("image/png").unwrap();
        let get = signer.sign(Method::Get, &key, None, TTL, now()).unwrap().to_string();
        let put = signer.sign(Method::Put, &key, Some(&png), TTL, now()).unwrap().to_string();
        let signature = get.rsplit_once('=').unwrap().1.to_owned();
        let flipped = if signature.starts_with('0') { "1" } else { "0" };
        let forged = [
            get.replace("/a/b.png", "/a/c.png"),
            get.replace("/a/b.png", "/a%2Fc.png"),
            get.replace("/a/b.png", "/a/../a/c.png"),
            get.replace("/a/b.png", "//a/b.png"),
            get.replace("/a/b.png", "/"),
            get.replace("/a/b.png", "/%ff"),
            get.replace("1800000100", "1800000101"),
            get.replace("1800000100", "18446744073709551615"),
            get.replace("1800000100", "99999999999999999999999"),
            get.replace("1800000100", "-1"),
            get.replace(&signature, &format!("{flipped}{}", &signature[1..])),
            get.replace(&signature, &signature[..62]),
            get.replace(&signature, ""),
            get.replace("&method=GET", ""),
            get.replace("method=GET", "method=PUT"),
            get.replace("expires=1800000100&", ""),
            format!("{get}&signature={signature}"),
            format!("{get}&x=y"),
            format!("{get}&content-type=image/png"),
            get.split_once('?').unwrap().0.to_owned(),
            get.replace("127.0.0.1:9797", "127.0.0.1:9798"),
            put.clone(),
        ];
        for url in forged {
            let error = signer.verify(Method::Get, &Url::parse(&url).unwrap(), now()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Denied, "{url}");
            assert!(!error.message.contains(&signature), "{error}");
        }
        for url in [
            get.clone(),
            get.replace("GET", "PUT"),
            put.replace("image%2Fpng", "text%2Fhtml"),
            put.replace("&content-type=image%2Fpng", ""),
        ] {
            assert!(
                signer.verify(Method::Put, &Url::parse(&url).unwrap(), now()).is_err(),
                "{url}"
            );
        }
        let other = UrlSigner::new([8; 32], signer.public_url().cloned(), None).unwrap();
        assert!(other.verify(Method::Get, &Url::parse(&get).unwrap(), now()).is_err());
        assert!(signer.verify(Method::Get, &Url::parse(&get).unwrap(), now()).is_ok());
        assert!(signer.verify(Method::Put, &Url::parse(&put).unwrap(), now()).is_ok());
    }

    #[test]
    fn a_url_ends_with_its_time() {
        let signer = signer();
        let url =
            signer.sign(Method::Get, &ObjectKey::parse("a").unwrap(), None, TTL, now()).unwrap();
        assert!(signer.verify(Method::Get, &url, now() + TTL - Duration::from_secs(1)).is_ok());
        let error = signer.verify(Method::Get, &url, now() + TTL).unwrap_err();
        assert!(error.message.contains("expired"), "{error}");
    }

    #[test]
    fn only_urls_of_its_bases_are_its_own() {
        let signer = UrlSigner::new(
            [7; 32],
            Some(Url::parse("https://cdn.example.com/objects").unwrap()),
            Some(Url::parse("http://127.0.0.1:9797").unwrap()),
        )
        .unwrap();
        let url = signer
            .sign(Method::Get, &ObjectKey::parse("a").unwrap(), None, TTL, SystemTime::now())
            .unwrap();
        assert!(url.as_str().starts_with("https://cdn.example.com/objects/a?"));
        let inside = Url::parse(
            &url.as_str().replace("https://cdn.example.com/objects/", "http://127.0.0.1:9797/"),
        )
        .unwrap();
        assert!(
            signer.readable(&url).unwrap().is_ok() && signer.readable(&inside).unwrap().is_ok()
        );
        for other in [
            "https://cdn.example.com/objectsx/a",
            "http://cdn.example.com/objects/a",
            "https://cdn.example.com.evil/objects/a",
        ] {
            assert!(signer.readable(&Url::parse(other).unwrap()).is_none(), "{other}");
        }
        assert!(
            signer
                .readable(&Url::parse("https://cdn.example.com/objects/a").unwrap())
                .unwrap()
                .is_err()
        );
    }

    #[test]
    fn without_an_address_there_are_no_urls_and_the_key_is_not_shown() {
        let signer = UrlSigner::new([7; 32], None, None).unwrap();
        let error = signer
            .sign(Method::Get, &ObjectKey::parse("a").unwrap(), None, TTL, now())
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(
            error.message.contains("AWS_BUCKET_NAME")
                && error.message.contains("KEYNET_STORAGE_PUBLIC_URL"),
            "{error}"
        );
        assert_eq!(format!("{signer:?}"), "UrlSigner { public: None, .. }");
    }
}
