import FlattenTensor
import Testing

@Suite struct ShortListTests {
  /// Numbers of values on both sides of what is kept in place.
  static let counts = [0, 1, 7, 8, 9, 20]

  @Test(arguments: counts) func itReadsLikeAnArray(count: Int) {
    let array = (0..<count).map { "value \($0)" }
    var list = ShortList(array)
    #expect(list.count == count && Array(list) == array && "\(list)" == "\(array)")
    #expect(list.last == array.last && list.indices.map { list[$0] } == array)
    #expect(list.map(\.count).elementsEqual(array.map(\.count)))
    list.reverse()
    #expect(Array(list) == array.reversed())
    list.reverse()
    var taken: [String] = []
    while !list.isEmpty { taken.append(list.removeLast()) }
    #expect(taken == array.reversed() && list.count == 0)
    list.append("again")
    #expect(Array(list) == ["again"])
  }

  @Test(arguments: counts) func copiesAreIndependent(count: Int) {
    let list = ShortList(0..<count)
    var copy = list
    copy.append(-1)
    for index in copy.indices { copy[index] += 100 }
    #expect(Array(list) == Array(0..<count))
    #expect(Array(copy) == (0..<count).map { $0 + 100 } + [99])
  }

  /// What has been taken out is let go, so that its memory may be used again.
  @Test(arguments: [1, 8, 9]) func valuesAreLetGo(count: Int) {
    final class Value {}
    weak var last: Value?
    var list: ShortList<Value> = []
    for _ in 0..<count {
      let value = Value()
      list.append(value)
      last = value
    }
    #expect(last != nil)
    _ = list.removeLast()
    #expect(last == nil && list.count == count - 1)
  }

  @Test func literalsAndSingleValues() {
    let list: ShortList = [3, 1, 2]
    #expect(list.sorted() == [1, 2, 3] && Array(ShortList(only: 5)) == [5])
  }

  @Test func placesOutsideEndTheProgram() async {
    await #expect(processExitsWith: .failure) { _ = ShortList([1, 2])[2] }
    await #expect(processExitsWith: .failure) {
      var list = ShortList<Int>()
      _ = list.removeLast()
    }
  }
}
