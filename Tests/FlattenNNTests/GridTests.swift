import FlattenNN
import FlattenTensor
import Testing

@Suite struct GridTests {
  @Test(arguments: [(1, 1), (4, 2), (49, 7), (3136, 56), (1 << 40, 1 << 20)])
  func squaresHaveAGrid(count: Int, side: Int) {
    #expect(Grid(squareOf: count) == Grid(side, side))
  }

  @Test(arguments: [0, -1, -4, 2, 3, 8, 48, 50, 3137, (1 << 40) + 1, .max, .min])
  func othersHaveNone(count: Int) { #expect(Grid(squareOf: count) == nil) }

  @Test func tokensAndMapsAreTheSameMemory() {
    let tokens = Tensor.noise([2, 15, 4], seed: 1)
    let map = tokens.asMap(Grid(3, 5))
    #expect(map.shape == [2, 3, 5, 4] && map.pointer == tokens.pointer)
    #expect(map.grid == Grid(3, 5) && map.grid != Grid(5, 3) && map.grid.count == 15)
    #expect(map.asTokens.shape == tokens.shape && map.asTokens.elements == tokens.elements)
  }

  @Test func reductionsShortenAGrid() {
    #expect(KeyReduction.none(Grid(5, 7)) == Grid(5, 7))
    #expect(KeyReduction.strided(ratio: 4)(Grid(9, 15)) == Grid(2, 3))
    #expect(KeyReduction.pooled(size: 7)(Grid(9, 15)) == Grid(7, 7))
  }
}
