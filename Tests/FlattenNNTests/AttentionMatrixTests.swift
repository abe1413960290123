import FlattenInspection
import FlattenNN
import FlattenTensor
import Foundation
import TestSupport
import Testing

/// The matrices of attentions against those that were read off the original modules.
@Suite struct AttentionMatrixTests {
  static let cases = Fixtures.cases(
    kinds: GoldenAttentionTests.kinds.union(GoldenWindowAttentionTests.kinds))

  /// The committed cases of which the original's matrices are kept.
  static let known = Fixtures.cases(groups: ["attention"], in: Fixtures.committed).filter {
    Fixtures.exists(AttentionMatrices.file(String($0.id.dropFirst("attention/".count))))
  }

  @Test func theSetIsWhole() {
    #expect(Self.known.count == 11)
    #expect(Set(Self.known.map(\.kind)).count == 7)
  }

  /// A case's attention, its records and its outputs by name.
  private func run(_ golden: Golden) throws -> (record: AttentionRecord, outputs: [String: Tensor])
  {
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let tap = OutputTap(pass)
    _ = try golden.attention(pass)
    try #require(tap.attentions.count == 1)
    return (tap.attentions[0], tap.outputs)
  }

  @Test(arguments: known) func agreesWithTheOriginal(fixture: FixtureCase) throws {
    let (record, _) = try run(try Golden(fixture))
    let name = String(fixture.id.dropFirst("attention/".count))
    let expected = try FixtureTensor.read(AttentionMatrices.file(name))
    let attention = try #require(expected["attention"])
    let (windows, heads) = (attention.shape[0], attention.shape[1])
    let (tokens, keys) = (attention.shape[2], attention.shape[3])
    #expect(heads == record.heads)
    #expect((expected["depthwise"] == nil) == record.depthwise.isEmpty)
    let own = attention.doubles
    let largest = own.max() ?? 0
    let added = expected["depthwise"]?.doubles
    for window in 0..<windows {
      for head in 0..<heads {
        let map = MapMatrix(record, head: head, window: window, keys: keys)
        let start = (window * heads + head) * tokens
        for token in 0..<tokens {
          let row = Array(own[(start + token) * keys..<(start + token + 1) * keys])
          expectClose(map.row(token) { $0.attention(row: $1) }, row, largest: largest)
          guard let added else { continue }
          for channel in 0..<map.width {
            let at = ((window * heads + head) * map.width + channel) * tokens + token
            let row = Array(added[at * keys..<(at + 1) * keys])
            expectClose(
              map.row(token) { $0.depthwise(row: $1, channel: channel) }, row, largest: 1)
          }
        }
      }
    }
  }

  /// Of float32 queries and keys.
  private func expectClose(_ got: [Double], _ expected: [Double], largest: Double) {
    #expect(got.count == expected.count)
    let worst = zip(got, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst <= 2e-5 * largest, "off by \(worst) of \(largest)")
  }

  /// What is drawn is what the model computes: `(attention + depthwise) v + bias` is the module's output
  /// before its projection, to the rounding of float32.
  @Test(arguments: cases)
  func rowsTimesValuesAreTheOutput(fixture: FixtureCase) throws {
    let (record, outputs) = try run(try Golden(fixture))
    // The stripes' output and values are those of windows, as the record's.
    let names = ["stripes_kv", "qkv.kv", "kv"].map { name in
      outputs.keys.first { $0 == name || $0.hasSuffix(".\(name)") }
    }
    let golden = try Golden(fixture)
    let kv: Tensor
    if let name = names.compactMap({ $0 }).first, let tensor = outputs[name] {
      kv = tensor
    } else {
      // FLatten-CSwin's attention gets them.
      kv = try golden.keysAndValues()
    }
    let result = try #require(["get_v", "dwc", ".attention"].lazy.compactMap { outputs[$0] }.first)
    let (batch, tokens, channels) = (
      record.queries.shape[0], record.queries.shape[1], record.queries.shape[2]
    )
    let output = result.reshaped([batch, tokens, channels]).elements
    let values = kv.elements
    let keys = record.keys.shape[1]
    let largest = Double(output.map(\.magnitude).max() ?? 0)
    var worst = 0.0
    for head in 0..<record.heads {
      for window in 0..<record.layout.count {
        let matrix = AttentionMatrix(record, head: head, window: window)
        for token in 0..<tokens {
          let own = matrix.attention(row: token)
          for channel in 0..<matrix.width {
            let at = head * matrix.width + channel
            let added = matrix.depthwise(row: token, channel: channel)
            var sum = 0.0
            if token >= matrix.leading {
              sum = record.depthwise.reduce(0) { $0 + Double($1.bias?.elements[at] ?? 0) }
            }
            for key in 0..<keys {
              let value = values[((window * keys + key) * 2 + 1) * channels + at]
              sum += (own[key] + added[key]) * Double(value)
            }
            let got = Double(output[(window * tokens + token) * channels + at])
            worst = max(worst, abs(got - sum))
          }
        }
      }
    }
    #expect(worst <= 2e-5 * largest, "off by \(worst) of \(largest)")
  }

  @Test func aPassThatNobodyLooksAtReportsNothing() throws {
    let golden = try Golden(try #require(Self.known.first))
    let dry = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    dry.observer = { if case .attention = $0 { Issue.record("a dry run has no numbers") } }
    _ = try golden.attention(dry)
  }
}

/// Rows of a head's matrix as the original module has them: those of the whole map, where it cuts the map into
/// stripes itself.
private struct MapMatrix {
  private let record: AttentionRecord
  private let matrices: [AttentionMatrix]
  private let keys: Int

  var width: Int { matrices[0].width }

  init(_ record: AttentionRecord, head: Int, window: Int, keys: Int) {
    self.record = record
    self.keys = keys
    let isCut = keys != record.keys.shape[1]
    let windows = isCut ? Array(0..<record.layout.count) : [window]
    matrices = windows.map { AttentionMatrix(record, head: head, window: $0) }
  }

  func row(_ token: Int, _ part: (AttentionMatrix, Int) -> [Double]) -> [Double] {
    let layout = record.layout
    guard matrices.count > 1 else { return part(matrices[0], token) }
    let place = layout.place(row: token / layout.width, column: token % layout.width)
    var row = [Double](repeating: 0, count: keys)
    for (index, weight) in part(matrices[place.window], place.token).enumerated() {
      guard let cell = layout.cell(window: place.window, token: index) else { continue }
      row[cell.row * layout.width + cell.column] = weight
    }
    return row
  }
}
