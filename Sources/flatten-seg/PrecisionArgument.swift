import ArgumentParser
import FlattenSeg

/// `--precision`.
enum PrecisionArgument: String, ExpressibleByArgument, CaseIterable {
  case f32, bf16, auto

  var precision: Precision {
    switch self {
    case .f32: .float32
    case .bf16: .bfloat16
    case .auto: .automatic
    }
  }
}
