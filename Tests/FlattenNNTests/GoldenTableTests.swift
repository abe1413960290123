import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// The official loader's bicubic resize of positional tables.
@Suite struct GoldenTableTests {
  static let cases = Fixtures.cases(kinds: ["table_resize"])

  @Test func noKindIsMissing() { #expect(Fixtures.lacking(["table_resize"]).isEmpty) }

  @Test(arguments: cases)
  func tableAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    for (name, expected) in golden.expected.sorted(by: { $0.key < $1.key }) {
      let table = try golden.input(name)
      // [1, N, C] and [N, heads]: both are square grids of rows.
      let rows = table.shape[table.shape.count - 2]
      let newRows = expected.shape[expected.shape.count - 2]
      let channels = table.shape[table.shape.count - 1]
      let old = try #require(Grid(squareOf: rows))
      let new = try #require(Grid(squareOf: newRows))
      let resized = table.reshaped([1, old.height, old.width, channels])
        .resizedBicubic(height: new.height, width: new.width)
      #expect(golden.mismatch(name, resized.reshaped(expected.shape)) == nil)
    }
  }
}
