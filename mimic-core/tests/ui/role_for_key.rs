use mimic_core::needs::req;
use mimic_core::roles::Transport;

fn main() {
    let _ = req(Transport);
}
