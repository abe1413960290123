import Foundation

/// What `Tools/reference/attention_matrices.py` made.
package enum AttentionMatrices {
  package static func file(_ name: String) -> URL {
    Fixtures.repository.appending(path: "Tests/AttentionMatrices/\(name).safetensors")
  }
}
