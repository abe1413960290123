import Testing

@testable import FlattenData

@Suite struct IDTableTests {
  @Test(arguments: [0, 1, 15, 16, 17, 5000])
  func findsIDsInAnyOrder(count: Int) {
    let ids = (0..<count).map { ($0 &* 0x5851_F42D_4C95_7F2D) ^ Int.min }
    let table = IDTable(ids)
    for (place, id) in ids.enumerated() { #expect(table[id] == place) }
    #expect(table[7] == -1)
  }

  @Test func firstOfEqualOnesCounts() {
    let table = IDTable([9, -4, 9, 0, -4])
    #expect([9, -4, 0, 1].map { table[$0] } == [0, 1, 3, -1])
  }
}
