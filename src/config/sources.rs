//! Flag over environment over file over default.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::api::FileFault;
use crate::files::{self, Wrong};

use super::{Config, ConfigError, bounds, inherited, wording};

/// What all variables begin with.
const PREFIX: &str = "PORTOLAN_";

/// Variables of the command line, which are no settings of the server.
const OTHERS: [&str; 4] = ["PORTOLAN_CONFIG", "PORTOLAN_TOKEN", "PORTOLAN_TOKEN_FILE", "PORTOLAN_URL"];

/// Octets of a file, at most: a hundred times the one that explains every key.
const LONGEST_FILE: u64 = 1 << 20;

/// Where settings may come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Variables; of those that do not begin with `PORTOLAN_` two are looked at (`inherited`).
    pub environment: Vec<(OsString, OsString)>,
    /// What the command line says; the last word.
    pub flags: Vec<Setting>,
}

/// One value from outside the file.
#[derive(Debug, Clone)]
pub struct Setting {
    /// What an error calls it: `--dns`, `PORTOLAN_DNS_LISTEN`.
    pub origin: String,
    /// The table, if any, and the key.
    pub path: Vec<String>,
    /// The value.
    pub value: Value,
}

impl Setting {
    /// The setting that a flag makes.
    pub fn flag(flag: &str, path: &[&str], value: impl Into<Value>) -> Self {
        let path = path.iter().map(|&key| key.to_owned()).collect();
        Self { origin: flag.to_owned(), path, value: value.into() }
    }
}

impl Sources {
    /// Reads all sources. Beside the settings: the variables that look like ours and mean nothing.
    ///
    /// Those are not refused, since they may be nobody's mistake: Kubernetes sets `PORTOLAN_PORT` in every pod beside
    /// a service of that name.
    pub fn load(self) -> Result<(Config, Vec<String>), ConfigError> {
        let text = match &self.file {
            Some(path) => read_file(path).map_err(|error| ConfigError::Unreadable { path: path.clone(), error })?,
            None => String::new(),
        };
        self.load_text(&text)
    }

    /// The same where `text` is what the file has, if there is one.
    pub fn load_text(self, text: &str) -> Result<(Config, Vec<String>), ConfigError> {
        let file = self.file.map(|path| (path, text));
        let mut config = file.as_ref().map_or_else(|| Ok(Config::default()), |(path, text)| read_text(path, text))?;
        bounds::check_counts(&config)?;
        let known = table_of(&Config::default());
        let inherited = inherited::settings(&self.environment, &config);
        let (variables, strangers) = from_environment(self.environment, &known)?;
        for setting in inherited.into_iter().chain(variables).chain(self.flags) {
            let mut table = table_of(&config);
            put(&mut table, &setting.path, setting.value);
            config = table.try_into().map_err(|error: toml::de::Error| ConfigError::Value {
                origin: setting.origin,
                reason: wording::of_value(&error),
            })?;
        }
        config.check()?;
        if let Some((path, text)) = file {
            config.files.settings = check_services(path, text, &config)?;
        }
        Ok((config, strangers))
    }
}

/// The whole file, which may be a pipe, but not one without end.
fn read_file(path: &Path) -> io::Result<String> {
    let mut octets = Vec::new();
    File::open(path)?.take(LONGEST_FILE + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > LONGEST_FILE {
        let reason = format!("has more than {LONGEST_FILE} octets, which no file of settings has");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    String::from_utf8(octets).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is no UTF-8"))
}

fn read_text(path: &Path, text: &str) -> Result<Config, ConfigError> {
    toml::from_str(text).map_err(|mut error: toml::de::Error| {
        let line = error.span().map(|span| files::line_at(text, span.start));
        if error.span().is_some_and(|span| wording::is_of_token(text, span.start)) {
            // The line would be shown, and in it what may be a secret.
            error.set_input(None);
        }
        ConfigError::File { path: path.to_owned(), error: Box::new(error), line }
    })
}

/// The file to follow, if there is one: what came through a pipe does not come again.
fn check_services(path: PathBuf, text: &str, config: &Config) -> Result<PathBuf, ConfigError> {
    let refuse =
        |Wrong { line, reason }| ConfigError::Service(FileFault { file: path.display().to_string(), line, reason });
    // What names no address is this machine's, whichever that turns out to be.
    let services = files::count_in_settings(text, &config.terms(), Ipv4Addr::LOCALHOST.into()).map_err(refuse)?;
    match (path.is_file(), services) {
        (true, _) => Ok(path),
        (false, 0) => Ok(PathBuf::new()),
        (false, _) => {
            let reason =
                "has services and is no regular file, so that it cannot be read again; put them into files.dir";
            Err(refuse(Wrong { line: None, reason: reason.to_owned() }))
        }
    }
}

/// The keys, each with its table, whose values are not the same.
pub(super) fn differences(a: &Config, b: &Config) -> Vec<String> {
    let mut keys = Vec::new();
    let of = |config| {
        let mut table = table_of(config);
        table.remove("token");
        Value::Table(table)
    };
    collect_differences("", &of(a), &of(b), &mut keys);
    keys
}

fn collect_differences(key: &str, a: &Value, b: &Value, keys: &mut Vec<String>) {
    match (a, b) {
        // Both have every key.
        (Value::Table(a), Value::Table(b)) => {
            for ((name, a), b) in a.iter().zip(b.values()) {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                collect_differences(&key, a, b, keys);
            }
        }
        (a, b) if a != b => keys.push(key.to_owned()),
        _ => {}
    }
}

fn table_of(config: &Config) -> Table {
    Table::try_from(config).expect("settings are tables, texts, lists, and numbers within their limits")
}

fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => drop(table.insert(key.clone(), value)),
        [key, rest @ ..] => {
            let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn from_environment(
    environment: Vec<(OsString, OsString)>,
    known: &Table,
) -> Result<(Vec<Setting>, Vec<String>), ConfigError> {
    let mut settings = Vec::new();
    let mut strangers = Vec::new();
    for (name, text) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && !OTHERS.contains(name)) else {
            continue;
        };
        let refuse = |reason| ConfigError::Value { origin: name.to_owned(), reason };
        match find(known, &name[PREFIX.len()..]) {
            None => strangers.push(name.to_owned()),
            Some((path, default)) => {
                let text = text.to_str().ok_or_else(|| refuse("is no UTF-8".to_owned()))?;
                let value = read(text, default).map_err(refuse)?;
                settings.push(Setting { origin: name.to_owned(), path, value });
            }
        }
    }
    Ok((settings, strangers))
}

/// The key whose variable ends in `suffix`, and its default.
fn find<'a>(table: &'a Table, suffix: &str) -> Option<(Vec<String>, &'a Value)> {
    table.iter().find_map(|(key, value)| {
        let rest = suffix.strip_prefix(key.to_ascii_uppercase().as_str())?;
        match value {
            Value::Table(inner) => {
                let (mut path, value) = find(inner, rest.strip_prefix('_')?)?;
                path.insert(0, key.clone());
                Some((path, value))
            }
            _ => rest.is_empty().then(|| (vec![key.clone()], value)),
        }
    })
}

/// Reads `text` as the kind of value that the default is.
fn read(text: &str, default: &Value) -> Result<Value, String> {
    Ok(match default {
        Value::Boolean(_) => Value::Boolean(text.parse().map_err(|_| format!("is {text:?}; write true or false"))?),
        Value::Integer(_) => Value::Integer(text.parse().map_err(|_| format!("is {text:?}; write a whole number"))?),
        Value::Float(_) => Value::Float(text.parse().map_err(|_| format!("is {text:?}; write a number"))?),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::time::Duration;

    use super::*;
    use crate::tokens::Hash;

    fn load(file: &str, environment: &[(&str, &str)], flags: Vec<Setting>) -> Result<(Config, Vec<String>), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portolan.toml");
        fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|&(name, text)| (name.into(), text.into())).collect();
        let sources = Sources { file: Some(path), environment, flags };
        sources.load().map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let ttl = |file, environment: &[_], flags| load(file, environment, flags).unwrap().0.zone.ttl;
        let file = "[zone]\nttl = \"20s\"";
        let variable = [("PORTOLAN_ZONE_TTL", "30s")];
        let flag = || vec![Setting::flag("--ttl", &["zone", "ttl"], "40s")];
        assert_eq!(ttl("", &[], vec![]), Config::default().zone.ttl);
        assert_eq!(ttl(file, &[], vec![]), Duration::from_secs(20));
        assert_eq!(ttl(file, &variable, vec![]), Duration::from_secs(30));
        assert_eq!(ttl(file, &variable, flag()), Duration::from_secs(40));
    }

    #[test]
    fn what_users_of_plexus_have_set_holds_unless_ours_is_set_too() {
        let logged = |environment: &[_]| load("log = \"error\"", environment, vec![]).unwrap().0.log;
        assert_eq!(logged(&[("RUST_LOG", "debug")]), "debug");
        assert_eq!(logged(&[("PORTOLAN_LOG", "warn"), ("RUST_LOG", "debug")]), "warn");
        let (config, strangers) = load("", &[("REGISTRY_PORT", "5445")], vec![]).unwrap();
        assert_eq!((config.rpc.listen[0].port(), strangers), (5445, vec![]));
    }

    #[test]
    fn every_key_has_a_variable_that_sets_it() {
        fn walk(table: &Table, path: &[String], found: &mut Vec<(Vec<String>, Value)>) {
            for (key, value) in table {
                let path = [path, std::slice::from_ref(key)].concat();
                match value {
                    Value::Table(inner) => walk(inner, &path, found),
                    _ => found.push((path, value.clone())),
                }
            }
        }
        let known = table_of(&Config::default());
        let mut keys = Vec::new();
        walk(&known, &[], &mut keys);
        assert!(keys.len() > 10, "{keys:?}");
        for (path, value) in keys {
            let suffix = path.join("_").to_ascii_uppercase();
            assert_eq!(find(&known, &suffix), Some((path, &value)), "PORTOLAN_{suffix}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_line() {
        let error = load("[zone]\nttl = \"5s\"\ntll = \"5s\"", &[], vec![]).unwrap_err();
        assert!(error.contains("line 3") && error.contains("`tll`") && error.contains("portolan.toml"), "{error}");
    }

    #[test]
    fn a_bad_variable_is_refused_by_its_name() {
        let error = load("", &[("PORTOLAN_ZONE_TTL", "soon")], vec![]).unwrap_err();
        assert!(error.starts_with("PORTOLAN_ZONE_TTL: "), "{error}");
        let error = load("", &[("PORTOLAN_MDNS_INGEST", "perhaps")], vec![]).unwrap_err();
        assert_eq!(error, "PORTOLAN_MDNS_INGEST: is \"perhaps\"; write true or false");
    }

    #[test]
    fn settings_that_differ_are_told_by_key() {
        let config = |file| load(file, &[], vec![]).unwrap().0;
        let a = config("[zone]\nttl = \"20s\"\n[dns.rrl]\nrate = 7\n");
        let b = config("[zone]\nttl = \"21s\"\n[[service]]\nservice = \"db\"\nport = 1\n");
        assert_eq!(a.differences(&b), ["dns.rrl.rate", "zone.ttl"]);
        assert_eq!(a.differences(&a), [""; 0]);
    }

    #[test]
    fn tokens_stay_whatever_else_is_set_and_are_refused_by_line() {
        let hash = Hash::of("secret").to_string();
        let token = format!("[[token]]\nname = \"ci\"\nhash = \"{hash}\"\nwrite = [\"web-*\"]\n");
        let flag = || vec![Setting::flag("--ttl", &["zone", "ttl"], "40s")];
        let (config, strangers) =
            load(&token, &[("PORTOLAN_TOKEN", "x"), ("PORTOLAN_ZONE_TTL", "30s")], flag()).unwrap();
        assert_eq!((config.token.len(), config.token[0].name.as_str(), strangers.len()), (1, "ci", 0));
        assert_eq!(config.differences(&load("", &[], flag()).unwrap().0), [""; 0]);
        for (mistake, line, says) in [
            (token.replace("sha256:", "md5:"), 3, "is no hash of a token; give what `portolan token new` printed"),
            (token.replace("web-*", "_web.x"), 4, "is no service; give a name such as auth"),
            (token.replace("\"ci\"", "\"c i\""), 2, "is no name of a token"),
            (format!("{token}wirte = [\"x\"]\n"), 5, "`wirte`"),
        ] {
            let error = load(&mistake, &[], vec![]).unwrap_err();
            assert!(error.contains(&format!("line {line}")) && error.contains(says), "{error}");
        }
        for mistake in [token.replace("sha256:", "md5:"), token.replace("sha256:", "").replace('"', "")] {
            let error = load(&mistake, &[], vec![]).unwrap_err();
            assert!(error.contains("line ") && !error.contains(&hash["sha256:".len()..]), "{error}");
        }
        let error = load(&format!("{token}{token}"), &[], vec![]).unwrap_err();
        assert!(error.contains("token \"ci\" is there twice"), "{error}");
    }

    #[test]
    fn a_service_beside_the_settings_is_checked_with_them() {
        let error = load("[zone]\n[[service]]\nservice = \"db\"\nport = 0\n", &[], vec![]).unwrap_err();
        assert!(error.contains("portolan.toml, line 4: `port` is 0; give"), "{error}");
    }

    #[test]
    fn only_a_regular_file_is_followed() {
        let load = |text: &[u8]| {
            let (reader, mut writer) = io::pipe().unwrap();
            writer.write_all(text).unwrap();
            drop(writer);
            let file = Some(format!("/proc/self/fd/{}", reader.as_raw_fd()).into());
            Sources { file, ..Sources::default() }.load().map_err(|error| error.to_string())
        };
        let (config, _) = load(b"[zone]\nttl = \"7s\"").unwrap();
        assert_eq!((config.zone.ttl, config.files.settings), (Duration::from_secs(7), PathBuf::new()));
        let error = load(b"[[service]]\nservice = \"db\"\nport = 1\n").unwrap_err();
        assert!(error.contains("is no regular file, so that it cannot be read again"), "{error}");
    }

    #[test]
    fn a_variable_holds_a_list_by_comma() {
        let environment = [("PORTOLAN_ZONE_DOMAINS", "registry.local, registry.internal")];
        assert_eq!(load("", &environment, vec![]).unwrap().0.zone.domains.len(), 2);
    }

    #[test]
    fn a_variable_that_means_nothing_is_told() {
        let environment = [("PORTOLAN_ZONE_TLL", "5s"), ("PORTOLAN_URL", "http://x"), ("PATH", "/bin")];
        assert_eq!(load("", &environment, vec![]).unwrap().1, ["PORTOLAN_ZONE_TLL"]);
    }
}
