/// A list of a few values, such as the levels of a feature pyramid.
///
/// Written and read like an array, but the first ``inPlace`` values are kept in place: a pass makes several
/// lists and takes no memory for any. Of a literal in brackets the compiler may make an array first.
@frozen public struct ShortList<Element> {
  @usableFromInline typealias Places = (
    Element?, Element?, Element?, Element?, Element?, Element?, Element?, Element?
  )

  @usableFromInline var places: Places
  /// What does not fit.
  @usableFromInline var rest: [Element]
  @usableFromInline var length: Int

  /// So many values are kept in place; more take memory of their own.
  @inlinable public static var inPlace: Int { 8 }

  /// Makes an empty list.
  @inlinable public init() {
    places = (nil, nil, nil, nil, nil, nil, nil, nil)
    rest = []
    length = 0
  }

  /// Makes a list of one value.
  @inlinable public init(only element: Element) {
    self.init()
    append(element)
  }

  /// Makes a list of all values of a sequence.
  @inlinable public init(_ elements: some Sequence<Element>) {
    self.init()
    for element in elements { append(element) }
  }

  /// Adds a value at the end.
  @inlinable public mutating func append(_ element: Element) {
    if length < Self.inPlace { self[place: length] = element } else { rest.append(element) }
    length += 1
  }

  /// Takes the last value out.
  ///
  /// - Precondition: there is one.
  @inlinable public mutating func removeLast() -> Element {
    let last = self[length - 1]
    length -= 1
    if length < Self.inPlace { self[place: length] = nil } else { rest.removeLast() }
    return last
  }

  /// What `transform` makes of each value.
  @inlinable public func map<Result>(
    _ transform: (Element) throws -> Result
  ) rethrows -> ShortList<Result> {
    var results = ShortList<Result>()
    for element in self { results.append(try transform(element)) }
    return results
  }

  @inlinable subscript(place index: Int) -> Element? {
    get {
      switch index {
      case 0: places.0
      case 1: places.1
      case 2: places.2
      case 3: places.3
      case 4: places.4
      case 5: places.5
      case 6: places.6
      default: places.7
      }
    }
    set {
      switch index {
      case 0: places.0 = newValue
      case 1: places.1 = newValue
      case 2: places.2 = newValue
      case 3: places.3 = newValue
      case 4: places.4 = newValue
      case 5: places.5 = newValue
      case 6: places.6 = newValue
      default: places.7 = newValue
      }
    }
  }
}

extension ShortList: RandomAccessCollection, MutableCollection {
  /// 0.
  @inlinable public var startIndex: Int { 0 }
  /// The number of values.
  @inlinable public var endIndex: Int { length }

  /// A value by its place.
  @inlinable public subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < length, "value \(index) of a list of \(length)")
      guard index < Self.inPlace, let element = self[place: index] else {
        return rest[index - Self.inPlace]
      }
      return element
    }
    set {
      precondition(index >= 0 && index < length, "value \(index) of a list of \(length)")
      if index < Self.inPlace {
        self[place: index] = newValue
      } else {
        rest[index - Self.inPlace] = newValue
      }
    }
  }
}

extension ShortList: ExpressibleByArrayLiteral {
  /// Makes a list of values.
  @inlinable public init(arrayLiteral elements: Element...) { self.init(elements) }
}

extension ShortList: CustomStringConvertible {
  /// As an array is written.
  public var description: String { Array(self).description }
}

extension ShortList: Sendable where Element: Sendable {}
