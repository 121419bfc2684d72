//! Texts made from the definitions of the command line: completion scripts and man pages.

use std::fs;
use std::path::Path;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::cli::output::{Failure, Output};

pub fn completions(out: &mut Output<'_>, shell: clap_complete::Shell) -> Result<(), Failure> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sockeye", &mut script);
    Ok(out.bytes(&script)?)
}

pub fn man(out: &mut Output<'_>, folder: &Path) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| {
        let folder = folder.display();
        Failure::Failed(format!("cannot write the man pages into {folder}: {cause}"))
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    clap_mangen::generate_to(command, folder).map_err(failed)?;
    let folder = folder.display();
    Ok(out.line(format_args!("man pages are in {folder}: read them with `man -l FILE`"))?)
}
