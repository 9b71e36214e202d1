//! The README is true: what it shows is what happens, and what it names is there.
//!
//! Every `console` block is run, in order, on a machine of its own where the usual ports are free: lines that begin
//! with `$ ` are typed, what follows is what is printed, `…` stands for lines that are left out, and `^C` for Ctrl-C.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::netns::Net;
use crate::support::{cli, run, tool, wait_until};

/// A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_command_prints_what_the_readme_shows() {
    let _net = Net::enter();
    let terminal = Terminal::open();
    let steps = steps(&readme());
    assert!(steps.len() > 8, "{steps:?}");
    assert!(steps[0].command.ends_with(" serve"), "the rest needs a registry: {:?}", steps[0]);
    let _serving: Vec<Running> = steps.iter().filter_map(|step| terminal.follow(step)).collect();
}

#[test]
fn every_example_of_the_api_works_and_no_path_is_missing() {
    let _net = Net::enter();
    let terminal = Terminal::open();
    let _serving = terminal.follow(&steps(&readme())[0]).expect("the first step serves");
    let text = readme();
    let rows = rows_below(&text, "## HTTP API");
    let examples: Vec<_> = rows.iter().filter(|cells| cells.len() == 3 && cells[2].starts_with("`curl ")).collect();
    assert!(examples.len() > 8, "{examples:?}");
    for cells in &examples {
        let method = cells[0].trim_matches('`').split(' ').next().unwrap();
        let example = cells[2].trim_matches('`');
        let told = example.split("-X ").nth(1).and_then(|rest| rest.split(' ').next());
        let meant = told.unwrap_or_else(|| if example.contains(" -d ") { "POST" } else { "GET" });
        assert_eq!(meant, method, "{example}");
        if example.starts_with("curl -N ") {
            // It goes on until it is cut off, which curl calls 28.
            let cut = terminal.shell(&format!("{example} --fail -o /dev/null --max-time 1")).status().unwrap();
            assert_eq!(cut.code(), Some(28), "{example}");
            continue;
        }
        run(&mut terminal.shell(&format!("{example} --fail -o /dev/null")));
    }

    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http.rs")).unwrap();
    let source: String = source.split_whitespace().collect();
    let routes: Vec<_> = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(routes.len() > 8, "{routes:?}");
    for route in routes {
        let named = |cell: &str| cell.split('`').any(|code| code.rsplit(' ').next() == Some(route));
        assert!(examples.iter().any(|cells| named(&cells[0])), "{route} is not in the README");
    }

    let problems = run(&mut terminal.shell("curl localhost:8420/problems"));
    let listed: BTreeSet<(String, String)> = problems.lines().map(two_words).collect();
    let rows = rows_below(&text, "## When something is wrong");
    let mut told = BTreeSet::new();
    for cells in rows.iter().filter(|cells| cells.len() == 2 && cells[0].parse::<u16>().is_ok()) {
        told.extend(codes(&cells[1]).map(|kind| (cells[0].clone(), kind)));
    }
    assert_eq!(told, listed);
}

#[test]
fn every_subcommand_flag_and_exit_code_is_in_the_readme_and_those_are_all() {
    let text = readme();
    let help = run(&mut cli(&["--help"]));
    let lines = section(&help, "Commands:");
    // What is indented further goes on with the line before.
    let lines = lines.iter().filter(|line| !line.starts_with("   "));
    let commands: Vec<_> = lines.map(|line| two_words(line).0).collect();
    assert!(commands.len() > 5, "{help}");
    for command in &commands {
        assert!(text.contains(&format!("`portolan {command}")), "`portolan {command}` is not in the README");
    }
    let helps: Vec<_> = commands.iter().filter(|c| *c != "help").map(|c| run(&mut cli(&[c, "--help"]))).collect();
    let helps = helps.join("\n") + &run(&mut cli(&["config", "check", "--help"]));
    let words: BTreeSet<_> = helps.split(|c: char| c.is_whitespace() || ",.;)]".contains(c)).collect();
    for code in codes(&text) {
        let mut parts = code.split(' ');
        match parts.next() {
            Some("portolan") => {
                let command = parts.next().unwrap_or("help").to_owned();
                assert!(commands.contains(&command), "there is no `{code}`");
            }
            Some(first) if first.starts_with("--") => {}
            _ => continue,
        }
        for flag in code.split(' ').filter(|part| part.starts_with("--")) {
            assert!(words.contains(flag), "there is no {flag}, which the README has in `{code}`");
        }
    }

    let promised: Vec<_> = section(&help, "Exit codes:").iter().map(|line| line.trim().to_owned()).collect();
    let plain = text.replace('`', "");
    for promise in promised.iter().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())) {
        let (code, meaning) = promise.split_once("  ").unwrap();
        assert!(plain.contains(&format!("| {code} | {meaning} |")), "{promise:?} is not in the README");
    }
}

/// The keys of a table and of those in it: `dns.rrl.rate`.
fn keys_of(table: &toml::Table, front: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => keys_of(inner, &format!("{front}{key}."), keys),
            _ => drop(keys.insert(format!("{front}{key}"))),
        }
    }
}

#[test]
fn every_setting_that_the_readme_names_exists() {
    let text = readme();
    let defaults = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/default.toml")).unwrap();
    let defaults: toml::Table = defaults.parse().unwrap();
    let mut keys = BTreeSet::new();
    keys_of(&defaults, "", &mut keys);
    let mut named = 0;
    // A method, which JSON-RPC names like a setting.
    for code in codes(&text).filter(|code| code != "rpc.discover") {
        if code.split_once('.').is_some_and(|(table, _)| defaults.get(table).is_some_and(toml::Value::is_table)) {
            assert!(keys.contains(&code), "there is no setting {code}");
            named += 1;
        }
        if let Some(variable) =
            code.strip_prefix("PORTOLAN_").filter(|rest| !["", "URL", "CONFIG", "TOKEN", "TOKEN_FILE"].contains(rest))
        {
            let known = keys.iter().any(|key| key.replace('.', "_").to_uppercase() == variable);
            assert!(known, "there is no variable {code}");
        }
    }
    assert!(named > 5, "{named}");
    for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "there is no {link}");
    }
}

/// A command and what the README shows of its output.
#[derive(Debug)]
struct Step {
    command: String,
    shown: Vec<String>,
}

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => inside = line == "```console",
            _ if !inside => {}
            Some(command) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
            None => steps.last_mut().expect("a block begins with a command").shown.push(line.to_owned()),
        }
    }
    steps
}

/// The rows of the tables between `heading` and the next one of its rank, cell by cell.
fn rows_below(readme: &str, heading: &str) -> Vec<Vec<String>> {
    let below = readme.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let below = below.split("\n## ").next().unwrap();
    let rows = below.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.map(|row| row.split(" | ").map(str::to_owned).collect()).collect()
}

/// What stands in backquotes, fenced blocks aside.
fn codes(text: &str) -> impl Iterator<Item = String> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|prose| prose.split('`').skip(1).step_by(2)).map(str::to_owned)
}

/// The lines of a help text below a heading.
fn section<'a>(help: &'a str, heading: &str) -> Vec<&'a str> {
    help.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.is_empty()).collect()
}

fn two_words(line: &str) -> (String, String) {
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// Where a newcomer types.
struct Terminal {
    folder: TempDir,
}

/// Something that goes on until it is killed.
struct Running(Child);

impl Terminal {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_portolan"), folder.path().join("portolan")).unwrap();
        // Without a terminal curl shows its progress, which nobody sees in one.
        fs::write(folder.path().join(".curlrc"), "silent\nshow-error\nnoproxy=*\n").unwrap();
        tool("curl");
        Self { folder }
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(["-c", line]).current_dir(&self.folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PORTOLAN_")) {
            command.env_remove(name);
        }
        command.env("PATH", format!("{}:{path}", self.folder.path().display()));
        command.env("CURL_HOME", self.folder.path()).env("PORTOLAN_DATA_DIR", self.folder.path().join("data"));
        command
    }

    /// Types the command and compares what it prints; gives it back if it goes on.
    #[track_caller]
    fn follow(&self, step: &Step) -> Option<Running> {
        let typed = step.command.replace("cargo run --release --", "portolan");
        let interrupted = step.shown.last().is_some_and(|line| line == "^C");
        if !interrupted && !typed.ends_with(" serve") {
            let printed = self.shell(&format!("exec 2>&1\n{typed}")).output().unwrap().stdout;
            let printed = String::from_utf8(printed).expect("UTF-8");
            // dig ends with an empty line; a README does not show that.
            compare(step, &step.shown, &printed.trim_end().lines().map(str::to_owned).collect::<Vec<_>>());
            return None;
        }
        let shown = step.shown.strip_suffix(&["^C".to_owned()]).unwrap_or(&step.shown);
        let mut command = self.shell(&format!("exec {typed}"));
        let mut running = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let output = BufReader::new(running.0.stdout.take().unwrap());
        let printed: Vec<_> = output.lines().take(shown.len()).map(|line| line.expect("UTF-8")).collect();
        compare(step, shown, &printed);
        if !interrupted {
            return Some(running);
        }
        run(Command::new("sh").args(["-c", &format!("kill -INT {}", running.0.id())]));
        let status = wait_until(&step.command, PATIENCE, || running.0.try_wait().unwrap());
        assert!(status.success(), "{}: {status}", step.command);
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn compare(step: &Step, shown: &[String], printed: &[String]) {
    let wanted: Vec<_> = shown.iter().map(|line| constant(line)).collect();
    let got: Vec<_> = printed.iter().map(|line| constant(line)).collect();
    let same = is_shown(&wanted, &got);
    assert!(same, "$ {}\nthe README shows:\n{}\nprinted is:\n{}", step.command, shown.join("\n"), printed.join("\n"));
}

/// Whether `shown` is `printed`, `…` standing for any lines.
fn is_shown(shown: &[String], printed: &[String]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((gap, then)), _) if gap == "…" => (0..=printed.len()).any(|skip| is_shown(then, &printed[skip..])),
        (Some((line, then)), Some((first, rest))) => line == first && is_shown(then, rest),
        (Some(_), None) => false,
    }
}

/// The line without what differs from run to run: spaces, times, revisions, and the name of the machine.
fn constant(line: &str) -> String {
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let word = |word| if word == machine.trim() { "harbour" } else { word };
    let mut line = line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    if line.get(8..10) == Some("Z ") {
        line.replace_range(..8, "…");
    }
    for (before, after) in [("_at\":\"", "\""), ("\"revision\":", "}"), ("127.0.0.1 ", "s left")] {
        if let Some(start) = line.find(before).map(|at| at + before.len())
            && let Some(length) = line[start..].find(after)
        {
            line.replace_range(start..start + length, "…");
        }
    }
    line
}

#[test]
fn a_readme_that_shows_something_else_is_found_out() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let printed = lines("head\na 1\nb 2\ntail");
    for (shown, same) in [
        ("head\na 1\nb 2\ntail", true),
        ("…\na 1\nb 2\n…", true),
        ("…\na 1\ntail", false),
        ("…\na 1\nb 3\n…", false),
        ("head\na 1", false),
        ("", false),
    ] {
        assert_eq!(is_shown(&lines(shown), &printed), same, "{shown}");
    }
    let answer = |time: &str, revision: u64| format!(r#"{{"lease":60,"expires_at":"{time}","revision":{revision}}}"#);
    assert_eq!(constant(&answer("2026-01-01T00:00:00Z", 1)), constant(&answer("2027-01-01T00:00:00.5Z", 22)));
    assert_ne!(constant("port 8080"), constant("port 8081"));
    let step = steps("```sh\n$ no\n```\n```console\n$ yes\nout\n```\n");
    assert_eq!((step.len(), step[0].command.as_str(), &step[0].shown), (1, "yes", &lines("out")));
}
