//! Packages and bindings to the packages of other namespaces.

use serde::{Deserialize, Serialize};

use super::{EntityError, Values, Version, check_values, now_ms};

/// Package that a binding refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Namespace of the package.
    pub namespace: String,
    /// Name of the package.
    pub name: String,
}

/// Body that creates or changes a package. What is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
pub struct PackagePut {
    binding: Option<BindingPut>,
    version: Option<Version>,
    publish: Option<bool>,
    annotations: Option<Values>,
    parameters: Option<Values>,
}

/// `{}` stands for no binding.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum BindingPut {
    To(Binding),
    None(Empty),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

impl PackagePut {
    /// Returns the package that it binds to; `None` for a package of its own.
    pub fn binding(&self) -> Option<&Binding> {
        match &self.binding {
            Some(BindingPut::To(binding)) => Some(binding),
            _ => None,
        }
    }

    /// Sets the namespace of a binding to `_`, the caller's own, to its name.
    pub fn resolve(&mut self, own: &str) {
        if let Some(BindingPut::To(binding)) = &mut self.binding
            && binding.namespace == "_"
        {
            own.clone_into(&mut binding.namespace);
        }
    }

    /// Checks the sizes of its fields.
    ///
    /// # Errors
    /// A field is too large.
    pub fn check_sizes(&self) -> Result<(), EntityError> {
        for (what, values) in [("parameters", &self.parameters), ("annotations", &self.annotations)]
        {
            check_values(what, values.as_ref().unwrap_or(&Values::default()))?;
        }
        Ok(())
    }

    /// Returns the size in bytes of what it holds in memory.
    pub fn size(&self) -> usize {
        let values = [&self.parameters, &self.annotations];
        values.into_iter().flatten().map(Values::size).sum()
    }
}

/// Package as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Package {
    /// Namespace that owns it.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Package that it refers to; `None` for a package with actions of its own.
    pub binding: Option<Binding>,
    /// Default parameters of its actions.
    pub parameters: Values,
    /// Annotations.
    pub annotations: Values,
    /// Version, which each change increases.
    pub version: Version,
    /// `true` if other namespaces may bind it and run its actions.
    pub publish: bool,
    /// Time of the last change, in milliseconds since 1970.
    pub updated: u64,
}

impl Package {
    /// Creates a package from the body of a request.
    pub fn create(namespace: &str, name: &str, put: PackagePut) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            binding: put.binding().cloned(),
            version: put.version.unwrap_or(Version::FIRST),
            publish: put.publish.unwrap_or(false),
            parameters: put.parameters.unwrap_or_default(),
            annotations: put.annotations.unwrap_or_default(),
            updated: now_ms(),
        }
    }

    /// Returns the package with the changes of `put`.
    ///
    /// # Errors
    /// A binding would become a package, or the reverse.
    pub fn changed(&self, put: PackagePut) -> Result<Self, EntityError> {
        let binding = put.binding().cloned();
        if binding.is_some() && self.binding.is_none() {
            return Err(EntityError::Invalid(
                "Resource is a package and not a binding.".to_owned(),
            ));
        }
        let annotations = self.annotations.under(&put.annotations.unwrap_or_default());
        // Each change may be small and their sum large.
        check_values("annotations", &annotations)?;
        Ok(Self {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            binding: binding.or_else(|| self.binding.clone()),
            version: put.version.unwrap_or_else(|| self.version.next()),
            publish: put.publish.unwrap_or(self.publish),
            parameters: put.parameters.unwrap_or_else(|| self.parameters.clone()),
            annotations,
            updated: now_ms(),
        })
    }

    /// Returns the size in bytes of its parameters and annotations, which are kept in memory.
    pub fn size(&self) -> u64 {
        (self.parameters.size() + self.annotations.size()) as u64
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::PackageJson;
    use super::*;

    fn put(text: &str) -> PackagePut {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn an_empty_binding_is_none() {
        assert_eq!(put(r#"{"binding":{}}"#).binding(), None);
        let mut bound = put(r#"{"binding":{"namespace":"_","name":"p"}}"#);
        bound.resolve("team");
        assert_eq!(
            bound.binding(),
            Some(&Binding { namespace: "team".to_owned(), name: "p".to_owned() })
        );
        assert!(serde_json::from_str::<PackagePut>(r#"{"binding":{"name":"p"}}"#).is_err());
    }

    #[test]
    fn a_package_stays_a_package() {
        let package = Package::create("team", "p", put("{}"));
        assert!(package.changed(put(r#"{"binding":{"namespace":"a","name":"b"}}"#)).is_err());
        assert!(package.changed(put(r#"{"publish":true}"#)).unwrap().publish);
        assert_eq!(json!(PackageJson::entry(&package))["binding"], json!(false));
        let whole = json!(PackageJson::whole(&package, &package.parameters));
        assert_eq!(whole["binding"], json!({}));
    }
}
