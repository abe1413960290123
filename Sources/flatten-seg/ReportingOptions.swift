import ArgumentParser

/// How much is said; shared by the commands that take pictures.
struct ReportingOptions: ParsableArguments {
  @Flag(name: .shortAndLong, help: "Print results and errors only.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Print the model, the instruction set and the threads first.")
  var verbose = false
}
