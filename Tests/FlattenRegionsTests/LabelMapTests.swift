import FlattenRegions
import Testing

@Suite struct LabelMapTests {
  @Test func thereIsAnIdPerPixel() {
    let map = LabelMap(width: 3, height: 2, ids: [0, 1, 2, 3, 4, 5])
    #expect(map.ids[1 * map.width + 2] == 5 && map == map)
    #expect(map != LabelMap(width: 2, height: 3, ids: map.ids))
  }
}
