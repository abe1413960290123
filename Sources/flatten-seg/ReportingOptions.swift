import ArgumentParser
import FlattenImage

/// How large pictures may be, and how much is said; shared by the commands that take pictures.
struct ReportingOptions: ParsableArguments {
  @Option(help: "Refuse pictures of more pixels than this.")
  private var maxPixels = 1 << 27

  @Flag(name: .shortAndLong, help: "Print results and errors only.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Print the model, the instruction set and the threads first.")
  var verbose = false

  /// What is refused by the decoders.
  var limits: DecodingLimits { DecodingLimits(pixels: maxPixels) }

  func validate() throws {
    if maxPixels < 1 {
      throw ValidationError("--max-pixels is \(maxPixels), at least 1 is wanted.")
    }
  }
}
