/// From ids to their places in a list.
package struct IDTable: Sendable {
  private var keys: [Int] = []
  private var places: [Int32] = []
  private var mask = 0

  /// - Parameter ids: of equal ones the first counts.
  package init(_ ids: [Int]) {
    var capacity = 16
    while capacity < 2 * ids.count { capacity *= 2 }
    mask = capacity - 1
    keys = [Int](repeating: 0, count: capacity)
    places = [Int32](repeating: -1, count: capacity)
    for (place, id) in ids.enumerated() {
      let slot = slot(of: id)
      if places[slot] < 0 {
        keys[slot] = id
        places[slot] = Int32(place)
      }
    }
  }

  /// The place of an id; -1 where it is not in the list.
  @inline(__always)
  package subscript(id: Int) -> Int32 { places[slot(of: id)] }

  /// The slot that an id has, or would have.
  @inline(__always)
  private func slot(of id: Int) -> Int {
    let mixed = UInt64(bitPattern: Int64(id)) &* 0x9E37_79B9_7F4A_7C15
    var slot = Int(truncatingIfNeeded: mixed >> 32) & mask
    while places[slot] >= 0, keys[slot] != id { slot = (slot + 1) & mask }
    return slot
  }
}
