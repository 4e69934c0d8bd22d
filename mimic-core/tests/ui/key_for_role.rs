use mimic_core::keys::Port;
use mimic_core::needs::over;

fn main() {
    let _ = over(Port);
}
