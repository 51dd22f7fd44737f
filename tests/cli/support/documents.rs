//! The documents, and a shell that their blocks are run in.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::files::install;
use super::{BINARY, Home};

/// The Redirect URI of the documents' public address.
pub const PUBLIC: &str = "https://site.ru/get_token";

/// A fenced block with the line before it.
#[derive(Debug, PartialEq)]
pub struct Block {
    pub mark: String,
    pub language: String,
    pub text: String,
}

impl Block {
    /// NAME, where the line before the block is `<!-- run: NAME -->`.
    pub fn name(&self) -> Option<&str> {
        self.mark.strip_prefix("<!-- run: ")?.strip_suffix(" -->")
    }
}

/// The text of a document of this repository.
pub fn document(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// README.md and docs/*.md, the English documents.
pub fn documents() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let names = fs::read_dir(docs).unwrap().map(|entry| entry.unwrap());
    let names = names.map(|entry| format!("docs/{}", entry.file_name().to_str().unwrap()));
    let mut found: Vec<_> = names.filter(|name| name.ends_with(".md")).collect();
    found.push("README.md".to_owned());
    found.sort();
    found
}

pub fn blocks(path: &str) -> Vec<Block> {
    let text = document(path);
    let (mut found, mut before) = (Vec::new(), "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            found.push(Block {
                mark: before.to_owned(),
                language: language.to_owned(),
                text: inside.map(|line| format!("{line}\n")).collect(),
            });
        }
        before = line;
    }
    found
}

/// The block after `<!-- run: NAME -->` in README.md or docs/*.md.
pub fn block(name: &str) -> String {
    let all = documents().into_iter().flat_map(|path| blocks(&path));
    let mut found = all.filter(|block| block.name() == Some(name));
    let block = found
        .next()
        .unwrap_or_else(|| panic!("no document has the block {name}"));
    assert_eq!(found.next(), None, "{name} is there twice");
    block.text
}

/// Puts the program into the home's `bin`, and a stand-in for each of these,
/// which adds a line to the file `calls` and writes its input to NAME.in.
pub fn programs(home: &Home, stand_ins: &[&str]) {
    let bin = home.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(BINARY, bin.join("yandex-token")).unwrap();
    for name in stand_ins {
        let text = format!("echo \"{name} $*\" >>~/calls; cat >~/{name}.in");
        install(home, &format!("bin/{name}"), &text);
    }
}

/// A script in the home, with what is in its `bin` found first.
pub fn shell(home: &Home, script: &str) -> Command {
    let mut command = Command::new("bash");
    home.furnish(&mut command);
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", home.path().join("bin").display());
    command.args(["-euxc", script]).env("PATH", path);
    command
}

/// A script for which a sandbox is Yandex. `ID`, as in the documents, is the
/// application's ID.
pub fn sandboxed(home: &Home, script: &str) -> Command {
    let run = "exec yandex-token sandbox --client-id ID --redirect-uri \"$0\" -- bash -euxc \"$1\"";
    let mut command = shell(home, run);
    command.args([PUBLIC, script]);
    command
}
