import ArgumentParser
import FlattenTensor
import FlattenVision
import Logging

/// How a model computes; shared by every command that runs one.
struct ComputeOptions: ParsableArguments {
  @Option(
    name: [.customShort("j"), .long],
    help: "Threads that compute; default: all available processors.")
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "Store weights and what they are multiplied with in float32, in bfloat16, or in the faster "
        + "of the two as measured on this CPU.", valueName: "f32|bf16|auto"))
  private var precision = PrecisionArgument.f32

  /// How weights and the left sides of products are stored.
  var storage: Precision {
    if precision == .auto { Self.logChoice() }
    return precision.precision
  }

  /// Says with --verbose why a precision was chosen.
  private static func logChoice() {
    let reason =
      Precision.bfloat16Time.map {
        "bfloat16 takes \(($0 * 100).rounded() / 100) of float32's time here"
      } ?? "this CPU has no instructions for bfloat16"
    Logger(label: "flatten-seg").debug("precision \(Precision.automatic.rawValue): \(reason)")
  }

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads is \(threads), a number from 1 to 1024 is wanted.")
    }
  }
}

/// `--precision`.
private enum PrecisionArgument: String, ExpressibleByArgument, CaseIterable {
  case f32, bf16, auto

  var precision: Precision {
    switch self {
    case .f32: .float32
    case .bf16: .bfloat16
    case .auto: .automatic
    }
  }
}
