//! Compiles the program: the example of the tree, and what puts it on this board.

fn main() {
    let (root, board) = ("../../..", "../c-board/include");
    let (face, example) = (
        format!("{root}/crates/towpath-c/include"),
        format!("{root}/examples/c"),
    );
    let files = ["main.c".to_owned(), format!("{example}/exchange.c")];
    let mut build = cc::Build::new();
    build
        .compiler("arm-none-eabi-gcc")
        .files(&files)
        .includes([board, &face, &example])
        .std("c99")
        // The flags of scripts/cortex-m33, which may come once more from the environment; what `cc` would add by itself
        // names the architecture another way and gcc warns of it.
        .no_default_flags(true)
        .flags([
            "-mcpu=cortex-m33",
            "-mthumb",
            "-mfloat-abi=hard",
            "-mfpu=fpv5-sp-d16",
        ])
        .flags([
            "-Os",
            "-g1",
            "-ffreestanding",
            "-ffunction-sections",
            "-fdata-sections",
        ])
        .flags(["-Wall", "-Wextra", "-pedantic", "-Werror"])
        .compile("application");
    for file in files.iter().chain([&face, &example, &board.to_owned()]) {
        println!("cargo:rerun-if-changed={file}");
    }
}
