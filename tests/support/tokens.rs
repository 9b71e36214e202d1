//! Tokens, as `portolan token new` makes them, and a file of settings that has their hashes.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::http::{self, Response};
use super::{Launch, Portolan, cli, replace, run};

/// A token and its hash.
#[derive(Debug)]
pub struct Token {
    pub text: String,
    hash: String,
}

/// The settings of a registry with tokens.
#[derive(Debug)]
pub struct Tokens {
    folder: TempDir,
    settings: String,
    added: RefCell<String>,
}

impl Token {
    #[track_caller]
    pub fn new() -> Self {
        let made: Value = serde_json::from_str(&run(&mut cli(&["token", "new", "--json"]))).unwrap();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        Self { text: text("token"), hash: text("hash") }
    }

    /// It in the settings, with its rules.
    pub fn table(&self, name: &str, rules: &str) -> String {
        table(name, &[self], rules)
    }

    pub fn header(&self) -> String {
        format!("Authorization: Bearer {}", self.text)
    }

    #[track_caller]
    pub fn request(&self, portolan: &Portolan, method: &str, path: &str, body: &str) -> Response {
        let authorization = format!("Bearer {}", self.text);
        http::request(portolan.http, method, path, &[("Authorization", &authorization)], body)
    }

    #[track_caller]
    pub fn post(&self, portolan: &Portolan, path: &str, body: &Value) -> Response {
        self.request(portolan, "POST", path, &body.to_string())
    }

    /// With a token or without.
    #[track_caller]
    pub fn post_as(token: Option<&Self>, portolan: &Portolan, path: &str, body: &Value) -> Response {
        match token {
            Some(token) => token.post(portolan, path, body),
            None => portolan.post(path, body),
        }
    }
}

impl Tokens {
    /// None yet, behind `settings`.
    pub fn new(settings: &str) -> Self {
        let tokens = Self { folder: TempDir::new().unwrap(), settings: settings.to_owned(), added: RefCell::default() };
        tokens.write(&[]);
        tokens
    }

    /// One more, with the rules that it has in the settings.
    #[track_caller]
    pub fn add(&self, name: &str, rules: &str) -> Token {
        let token = Token::new();
        *self.added.borrow_mut() += &table(name, &[&token], rules);
        self.save();
        token
    }

    /// These and no others: the name, the tokens that are good, and the rules of each.
    pub fn write(&self, tables: &[(&str, &[&Token], &str)]) {
        *self.added.borrow_mut() = tables.iter().map(|(name, tokens, rules)| table(name, tokens, rules)).collect();
        self.save();
    }

    /// With an end, since what is empty would be taken for a file that is still being written.
    fn save(&self) {
        replace(&self.file(), format!("{}{}# no more\n", self.settings, self.added.borrow()));
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("portolan.toml")
    }

    #[track_caller]
    pub fn start(&self) -> Portolan {
        Launch::new().args([Path::new("--config"), &self.file()]).start()
    }

    #[track_caller]
    pub fn start_in(&self, data_dir: &Path) -> Portolan {
        Launch::new().args([Path::new("--config"), &self.file()]).data_dir(data_dir).start()
    }
}

/// Has the registry read its settings again: what is asked from then on is held to them.
#[track_caller]
pub fn reload(portolan: &Portolan) {
    let reloaded = portolan.post("/v1/reload", &Value::Null).expect(200).json();
    assert_eq!(reloaded["faults"], Value::Array(Vec::new()), "{reloaded}");
}

fn table(name: &str, tokens: &[&Token], rules: &str) -> String {
    let hashes: Vec<_> = tokens.iter().map(|token| format!("{:?}", token.hash)).collect();
    format!("[[token]]\nname = {name:?}\nhash = [{}]\n{rules}\n", hashes.join(", "))
}
