//! Texts made from the definitions of the command line and the table of keys: completion scripts
//! and man pages, man(7).

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Cli;
use crate::cli::output::{Failure, Output};
use crate::config::{APP_KEYS, JOB_KEYS, KEYS, Key};

const FILE_PAGE: &str = "sockeye.toml.5";

pub fn completions(out: &mut Output<'_>, shell: clap_complete::Shell) -> Result<(), Failure> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sockeye", &mut script);
    Ok(out.bytes(&script)?)
}

/// A page for the program, one for each command, and one for the configuration file.
pub fn man(out: &mut Output<'_>, folder: &Path) -> Result<(), Failure> {
    let failed = |cause: io::Error| {
        let folder = folder.display();
        Failure::Failed(format!("cannot write the man pages into {folder}: {cause}"))
    };
    write_pages(folder).map_err(failed)?;
    let folder = folder.display();
    Ok(out.line(format_args!("the man pages are in {folder}: read one with `man -l FILE`"))?)
}

fn write_pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    for verb in command.get_subcommands() {
        write_page(verb.clone(), folder)?;
    }
    write_page(command, folder)?;
    fs::write(folder.join(FILE_PAGE), file_page())
}

fn write_page(command: clap::Command, folder: &Path) -> io::Result<()> {
    let examples = command.get_after_help().map(ToString::to_string);
    let has_verbs = command.get_subcommands().next().is_some();
    let man = Man::new(command).manual("Sockeye");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_verbs {
        man.render_subcommands_section(&mut page)?;
    }
    page.write_all(verbatim(examples.as_deref().unwrap_or("")).as_bytes())?;
    fs::write(folder.join(man.get_filename()), page)
}

/// The closing text of the help, its lines kept as they are.
fn verbatim(text: &str) -> String {
    let mut roff = Roff::new();
    if !text.is_empty() {
        roff.control("SH", ["NOTES"]).control("nf", []);
        for line in text.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff.to_roff()
}

fn file_page() -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["sockeye.toml", "5", "", "", "Sockeye"])
        .control("SH", ["NAME"])
        .text([roman("sockeye.toml - the configuration of sockeye-serve(1)")])
        .control("SH", ["DESCRIPTION"])
        .text([roman(
            "TOML in UTF-8, given to sockeye serve with --config. Relative paths are seen from the \
             folder the file is in; unknown keys are refused; flags of the command line override \
             the file. sockeye check says what is wrong with a file, and where.",
        )])
        .control("SH", ["THE SECTION [server]"]);
    KEYS.iter().for_each(|key| describe(&mut roff, key));
    roff.control("SH", ["THE SECTIONS [[app]]"]);
    APP_KEYS.iter().for_each(|key| describe(&mut roff, key));
    roff.control("SH", ["THE SECTIONS [[job]]"]);
    JOB_KEYS.iter().for_each(|key| describe(&mut roff, key));
    roff.control("SH", ["SEE ALSO"]).text([roman("sockeye-serve(1), sockeye-check(1)")]);
    roff.to_roff()
}

fn describe<T>(roff: &mut Roff, key: &Key<T>) {
    let plain = |markdown: &str| markdown.replace('`', "");
    roff.control("TP", []).text([bold(key.name)]).text([roman(plain(key.about))]);
    roff.control("br", []).text([roman(format!("Takes {}.", plain(&key.takes.in_words())))]);
    roff.control("br", []).text([roman(format!("Default: {}.", plain(key.default)))]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum;

    use super::*;

    fn printed(verb: impl FnOnce(&mut Output<'_>) -> Result<(), Failure>) -> String {
        let mut bytes = Vec::new();
        verb(&mut Output::plain(&mut bytes)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_shell_completes_the_models() {
        for &shell in clap_complete::Shell::value_variants() {
            let script = printed(|out| completions(out, shell));
            assert!(script.contains("process-model"), "{shell}");
        }
        let script = printed(|out| completions(out, clap_complete::Shell::Bash));
        assert!(script.contains("thread-per-core") && script.contains("io_uring"), "{script}");
    }

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        printed(|out| man(out, folder.path()));
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let names: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
        for command in Cli::command().get_subcommands() {
            assert!(names.contains(&format!("sockeye-{}.1", command.get_name())), "{names:?}");
        }
        let page = fs::read_to_string(folder.path().join(FILE_PAGE)).unwrap();
        let programs = APP_KEYS.iter().map(|key| key.name).chain(JOB_KEYS.iter().map(|k| k.name));
        for name in KEYS.iter().map(|key| key.name).chain(programs) {
            assert!(page.contains(&format!("\\fB{name}\\fR")), "{name}: {page}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut out = Output::plain(io::sink());
        let failure = man(&mut out, &file.path().join("under")).unwrap_err();
        let Failure::Failed(message) = failure else { panic!("{failure:?}") };
        assert!(message.contains("cannot write the man pages into"), "{message}");
    }
}
