import FlattenBackbones
import FlattenConfig
import FlattenInspection
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// What backbones tell whoever looks at their attentions.
@Suite struct AttentionRecordTests {
  private func run(
    _ fixture: FixtureCase
  ) throws -> (BackboneConfiguration, [AttentionRecord], OutputTap) {
    let golden = try Golden(fixture)
    let family = try #require(Golden.families[golden.parameters["type"].text ?? ""])
    let text = golden.parameters.replacing(["type": .string(family)]).configText
    let configuration = try BackboneConfiguration(ConfigNode.parse(text, name: fixture.id))
    let tree = try golden.weights { configuration.translating($0, below: "") }
    let backbone = try configuration.make(for: .densePrediction, from: tree.root)
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let tap = OutputTap(pass)
    _ = backbone(try golden.map(), pass)
    return (configuration, tap.attentions, tap)
  }

  /// Every block tells of itself once, in order, with the keys, queries and windows of its map.
  @Test(arguments: GoldenBackboneTests.ownCases)
  func everyBlockReports(fixture: FixtureCase) throws {
    let (configuration, records, _) = try run(fixture)
    let blocks = records.count { $0.channels.lowerBound == 0 }
    #expect(blocks == configuration.depths.reduce(0, +))
    var mixed = 0
    for record in records {
      if record.channels.lowerBound > 0 { #expect(record.channels.lowerBound == mixed) }
      mixed = record.channels.upperBound
      let (q, layout) = (record.queries, record.layout)
      let grid = record.reduction(layout.window)
      let leading = q.shape[1] - layout.tokens
      #expect((0...1).contains(leading))
      #expect(q.shape[0].isMultiple(of: layout.count))
      #expect(record.keys.shape[0] == q.shape[0])
      #expect(record.keys.shape[1] == grid.count + leading)
      #expect(record.channels.count == q.shape[2] && q.shape[2].isMultiple(of: record.heads))
      for window in 0..<layout.count {
        for token in 0..<layout.tokens {
          guard let cell = layout.cell(window: window, token: token) else { continue }
          #expect(layout.place(row: cell.row, column: cell.column) == (window, token))
        }
      }
    }
  }

  /// FLatten-DeiT, whose class token takes part in the attention but has no neighbours: rows times values
  /// are what the model goes on with.
  @Test(arguments: Fixtures.familyCases(kind: "backbone").filter { $0.id == "flatten_deit_29x45" })
  func theClassTokenHasNoNeighbours(fixture: FixtureCase) throws {
    let (_, records, tap) = try run(fixture)
    #expect(records.count == 2)
    for record in records {
      let kv = try #require(tap.outputs["\(record.layer).qkv.kv"])
      let output = try #require(tap.outputs["\(record.layer).restored"])
      let (tokens, channels) = (output.shape[1], output.shape[2])
      #expect(record.depthwise.count == 1)
      let largest = Double(output.elements.map(\.magnitude).max() ?? 0)
      for head in 0..<record.heads {
        let matrix = AttentionMatrix(record, head: head, window: 0)
        #expect(matrix.leading == 1 && matrix.tokens == tokens && matrix.keyCount == tokens)
        #expect(matrix.depthwise(row: 0, channel: 0).allSatisfy { $0 == 0 })
        for token in 0..<tokens {
          let own = matrix.attention(row: token)
          for channel in 0..<matrix.width {
            let at = head * matrix.width + channel
            let added = matrix.depthwise(row: token, channel: channel)
            var sum = token == 0 ? 0 : Double(record.depthwise[0].bias?.elements[at] ?? .nan)
            for key in 0..<tokens {
              sum += (own[key] + added[key]) * Double(kv.elements[(key * 2 + 1) * channels + at])
            }
            let difference = abs(sum - Double(output.elements[token * channels + at]))
            #expect(difference <= 2e-5 * largest)
          }
        }
      }
    }
  }
}
