/// From ids to their places in a list.
package struct IDTable: Sendable {
  private var keys: [Int] = []
  private var places: [Int32] = []
  private var mask = 0
  /// Drawn anew for each table, so that no file can choose ids that all fall into one place.
  private let factor = UInt64.random(in: 0 ... .max) | 1
  private var shift: UInt64 = 60

  /// - Parameter ids: of equal ones the first counts.
  package init(_ ids: [Int]) {
    var capacity = 16
    while capacity < 2 * ids.count {
      capacity *= 2
      shift -= 1
    }
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
    var slot = Int(truncatingIfNeeded: (UInt64(bitPattern: Int64(id)) &* factor) &>> shift)
    while places[slot] >= 0, keys[slot] != id { slot = (slot + 1) & mask }
    return slot
  }
}
