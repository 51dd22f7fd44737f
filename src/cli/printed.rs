//! The commands that print what others read: a shell, a manual's reader. The
//! doc comments are the help.

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;

#[derive(Args)]
#[command(after_help = "\
Examples:
  eval \"$(yandex-token completions bash)\"
      in ~/.bashrc
  yandex-token completions zsh >~/.zfunc/_yandex-token
      for zsh, with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  yandex-token completions fish | source
      in ~/.config/fish/config.fish
  yandex-token completions powershell | Out-String | Invoke-Expression
      in the file $PROFILE
  eval (yandex-token completions elvish | slurp)
      in ~/.config/elvish/rc.elv")]
pub struct Completions {
    /// The shell that the script is for
    #[arg(
        hide_possible_values = true,
        help = "bash, zsh, fish, powershell or elvish"
    )]
    pub shell: Shell,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  yandex-token man | man -l -
      read it; on macOS: yandex-token man | mandoc | less -R
  yandex-token man login >yandex-token-login.1
      write a page to a file, to install it")]
pub struct Man {
    /// Print the page of this command
    #[arg(value_parser = PossibleValuesParser::new(COMMANDS.split(' ')), hide_possible_values = true)]
    pub command: Option<String>,
}

const COMMANDS: &str = "login token refresh revoke status exec sandbox completions man";
