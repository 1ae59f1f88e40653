"""The Python functions that the built-in model can write, each with its plan, its reference code and its tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One function.

    Attributes:
        name: its default name.
        verbs: what it does, in the infinitive ("sort a list"), split by bars.
        nouns: what it is called ("list sorting"), split by bars; may be empty.
        plan: the thought, one or two lines.
        code: reference code, with ``NAME`` for the function's name.
        says: the sentence after the code.
        cases: arguments as a Python tuple and the expected value, or the printed text when ``printed``.
        printed: the function prints instead of returning.
    """

    name: str
    verbs: str
    nouns: str
    plan: str
    code: str
    says: str
    cases: tuple[tuple[str, object], ...]
    printed: bool = False

    @property
    def infinitives(self) -> tuple[str, ...]:
        """The ways to say what it does."""
        return tuple(v.strip() for v in self.verbs.split("|"))

    @property
    def named(self) -> tuple[str, ...]:
        """The ways to name it."""
        return tuple(n.strip() for n in self.nouns.split("|") if n.strip())


TASKS: tuple[Task, ...] = (
    Task("sort_list", "sort a list | sort a list of numbers | put a list in order | order a list of integers | sort numbers"
         " | sort a list in ascending order | arrange a list from smallest to largest | sort an array", "list sorting | sorting a list",
         "Take a list.\nReturn sorted(items).", "def NAME(items):\n    return sorted(items)",
         "It returns a new list in ascending order.", (("([3, 1, 2],)", [1, 2, 3]), ("([],)", []), ("([5, 5, -1],)", [-1, 5, 5]))),
    Task("sort_descending", "sort a list in descending order | sort numbers from largest to smallest | sort a list in reverse order"
         " | order a list from high to low | sort a list with the biggest first | sort an array in decreasing order", "descending sort",
         "Take a list.\nReturn sorted(items, reverse=True).", "def NAME(items):\n    return sorted(items, reverse=True)",
         "It returns a new list in descending order.", (("([3, 1, 2],)", [3, 2, 1]), ("([],)", []), ("([1, 4, 4],)", [4, 4, 1]))),
    Task("bubble_sort", "sort a list with bubble sort | do a bubble sort | implement bubble sort | sort without the built-in sort"
         " | sort a list without using sorted", "bubble sort | a bubble sort | the bubble sort algorithm",
         "Copy the list.\nSwap neighbours that are in the wrong order, again and again.",
         "def NAME(items):\n    items = list(items)\n    for i in range(len(items)):\n        for j in range(len(items) - 1 - i):\n"
         "            if items[j] > items[j + 1]:\n                items[j], items[j + 1] = items[j + 1], items[j]\n    return items",
         "It returns a sorted copy of the list.", (("([3, 1, 2],)", [1, 2, 3]), ("([],)", []), ("([5, 4, 3, 2, 1],)", [1, 2, 3, 4, 5]))),
    Task("reverse_string", "reverse a string | turn a string around | reverse a word | reverse text | write a string backwards"
         " | reverse the characters of a string | flip a string", "string reversal | a string reverser",
         "Take a text.\nReturn it from the end to the start.", "def NAME(text):\n    return text[::-1]",
         "It returns the text backwards.", (("('abc',)", "cba"), ("('',)", ""), ("('Hello you',)", "uoy olleH"))),
    Task("reverse_list", "reverse a list | turn a list around | reverse the order of a list | reverse an array | flip a list"
         " | return a list backwards", "list reversal", "Take a list.\nReturn it from the end to the start.",
         "def NAME(items):\n    return items[::-1]", "It returns a new list in reverse order.",
         (("([1, 2, 3],)", [3, 2, 1]), ("([],)", []))),
    Task("factorial", "compute the factorial of a number | calculate a factorial | find the factorial of n | compute n!"
         " | return the factorial of an integer | calculate the factorial of a number", "factorial | the factorial | a factorial | n factorial",
         "Start with 1.\nMultiply by every number from 2 to n.",
         "def NAME(n):\n    result = 1\n    for i in range(2, n + 1):\n        result *= i\n    return result",
         "It returns the factorial of n.", (("(0,)", 1), ("(5,)", 120), ("(10,)", 3628800))),
    Task("fizzbuzz", "print FizzBuzz | play FizzBuzz | solve FizzBuzz | implement FizzBuzz | do the fizz buzz exercise"
         " | print fizz buzz up to n | run fizzbuzz", "FizzBuzz | fizzbuzz | fizz buzz | the FizzBuzz problem | the fizz buzz game",
         "Count from 1 to n.\nPrint FizzBuzz for 15, Fizz for 3, Buzz for 5, else the number.",
         "def NAME(n):\n    for i in range(1, n + 1):\n        if i % 15 == 0:\n            print(\"FizzBuzz\")\n        elif i % 3 == 0:\n"
         "            print(\"Fizz\")\n        elif i % 5 == 0:\n            print(\"Buzz\")\n        else:\n            print(i)",
         "It prints the FizzBuzz lines from 1 to n.",
         (("(5,)", "1\n2\nFizz\n4\nBuzz"), ("(15,)", "1\n2\nFizz\n4\nBuzz\nFizz\n7\n8\nFizz\nBuzz\n11\nFizz\n13\n14\nFizzBuzz")), True),
    Task("fibonacci", "compute Fibonacci numbers | return the first n Fibonacci numbers | generate the Fibonacci sequence"
         " | calculate the fibonacci series | list fibonacci numbers | make the Fibonacci sequence",
         "Fibonacci | fibonacci | the Fibonacci sequence | the fibonacci series | Fibonacci numbers",
         "Start with 0 and 1.\nAdd the last two, n times.",
         "def NAME(n):\n    numbers = []\n    a, b = 0, 1\n    for _ in range(n):\n        numbers.append(a)\n        a, b = b, a + b\n    return numbers",
         "It returns the first n Fibonacci numbers.", (("(0,)", []), ("(1,)", [0]), ("(7,)", [0, 1, 1, 2, 3, 5, 8]))),
    Task("is_prime", "check whether a number is prime | check if a number is prime | test if a number is prime | tell whether n is prime"
         " | find out if a number is prime | determine if a number is a prime | detect prime numbers",
         "a prime check | a prime checker | a primality test | is prime | is_prime | a prime number test",
         "Numbers below 2 are not prime.\nTry every divisor up to the square root.",
         "def NAME(n):\n    if n < 2:\n        return False\n    for i in range(2, int(n ** 0.5) + 1):\n        if n % i == 0:\n"
         "            return False\n    return True",
         "It returns True if n is prime.", (("(1,)", False), ("(2,)", True), ("(9,)", False), ("(97,)", True), ("(100,)", False))),
    Task("primes_up_to", "list all primes up to n | find all prime numbers up to n | print primes below a limit"
         " | generate prime numbers | return the primes up to a limit | collect the primes up to n", "a prime sieve | a list of primes",
         "Try every number from 2 to n.\nKeep it if no smaller prime divides it.",
         "def NAME(n):\n    primes = []\n    for i in range(2, n + 1):\n        if all(i % p for p in primes):\n            primes.append(i)\n    return primes",
         "It returns the primes up to n.", (("(1,)", []), ("(10,)", [2, 3, 5, 7]), ("(20,)", [2, 3, 5, 7, 11, 13, 17, 19]))),
    Task("is_even", "check whether a number is even | check if a number is even | test if a number is even | tell if n is even"
         " | check if a number is even or odd | find out if a number is even", "an even check | is even | is_even | an even number check",
         "A number is even if n % 2 is 0.", "def NAME(n):\n    return n % 2 == 0", "It returns True if n is even.",
         (("(0,)", True), ("(7,)", False), ("(12,)", True))),
    Task("is_odd", "check whether a number is odd | check if a number is odd | test if a number is odd | tell if n is odd"
         " | find out if a number is odd", "an odd check | is odd | is_odd", "A number is odd if n % 2 is 1.",
         "def NAME(n):\n    return n % 2 == 1", "It returns True if n is odd.", (("(0,)", False), ("(7,)", True), ("(12,)", False))),
    Task("find_max", "find the maximum of a list | find the largest number in a list | return the biggest number in a list"
         " | get the max of a list | find the highest value in a list | find the largest element", "list maximum | the maximum of a list",
         "Start with the first item.\nKeep every larger one.",
         "def NAME(items):\n    largest = items[0]\n    for item in items:\n        if item > largest:\n            largest = item\n    return largest",
         "It returns the largest item.", (("([3, 9, 2],)", 9), ("([-5],)", -5), ("([-5, -2],)", -2))),
    Task("find_min", "find the minimum of a list | find the smallest number in a list | return the lowest number in a list"
         " | get the min of a list | find the smallest element | find the lowest value in a list", "list minimum | the minimum of a list",
         "Start with the first item.\nKeep every smaller one.",
         "def NAME(items):\n    smallest = items[0]\n    for item in items:\n        if item < smallest:\n            smallest = item\n    return smallest",
         "It returns the smallest item.", (("([3, 9, 2],)", 2), ("([-5],)", -5), ("([5, -2],)", -2))),
    Task("sum_list", "sum a list | add up a list of numbers | compute the sum of a list | add all numbers in a list"
         " | total a list of numbers | sum the numbers in a list | calculate the sum of a list", "list sum | the sum of a list",
         "Start with 0.\nAdd every number.", "def NAME(numbers):\n    total = 0\n    for number in numbers:\n        total += number\n    return total",
         "It returns the sum of the numbers.", (("([1, 2, 3],)", 6), ("([],)", 0), ("([-1, 1],)", 0))),
    Task("average", "compute the average of a list | calculate the mean of a list | find the average of numbers | average a list"
         " | compute the mean | calculate the average of a list of numbers", "the average | average of a list | the mean of a list",
         "Add all numbers.\nDivide by how many there are.", "def NAME(numbers):\n    return sum(numbers) / len(numbers)",
         "It returns the average of the numbers.", (("([1, 2, 3],)", 2.0), ("([4],)", 4.0), ("([1, 2],)", 1.5))),
    Task("count_vowels", "count vowels | count the vowels in a string | count vowels in a text | find the number of vowels in a word"
         " | return how many vowels a string has", "a vowel counter | vowel counting", "Look at every letter.\nCount those in aeiou.",
         "def NAME(text):\n    return sum(1 for letter in text.lower() if letter in \"aeiou\")", "It returns the number of vowels.",
         (("('hello',)", 2), ("('',)", 0), ("('AEIOU xyz',)", 5))),
    Task("is_palindrome", "check whether a string is a palindrome | check if a word is a palindrome | test for a palindrome"
         " | detect palindromes | tell if a string is a palindrome | check palindromes | find out if a text reads the same backwards",
         "a palindrome check | a palindrome checker | is palindrome | palindrome", "Make the text lower case.\nCompare it with its reverse.",
         "def NAME(text):\n    text = text.lower()\n    return text == text[::-1]", "It returns True if the text is a palindrome.",
         (("('level',)", True), ("('Anna',)", True), ("('abc',)", False), ("('',)", True))),
    Task("gcd", "compute the gcd of two numbers | find the greatest common divisor | calculate the greatest common divisor of two numbers"
         " | find the gcd | compute the greatest common factor", "gcd | the gcd | greatest common divisor | Euclid's algorithm",
         "While b is not 0: a becomes b, b becomes a % b.\nThen a is the divisor.",
         "def NAME(a, b):\n    while b:\n        a, b = b, a % b\n    return a", "It returns the greatest common divisor.",
         (("(12, 18)", 6), ("(7, 3)", 1), ("(10, 0)", 10))),
    Task("lcm", "compute the lcm of two numbers | find the least common multiple | calculate the lowest common multiple"
         " | find the lcm of two numbers", "lcm | the lcm | least common multiple", "Find the greatest common divisor.\nDivide the product by it.",
         "def NAME(a, b):\n    x, y = a, b\n    while y:\n        x, y = y, x % y\n    return a * b // x", "It returns the least common multiple.",
         (("(4, 6)", 12), ("(7, 3)", 21), ("(5, 5)", 5))),
    Task("remove_duplicates", "remove duplicates from a list | remove repeated items | drop duplicates from a list | delete duplicate elements"
         " | keep only unique items of a list | dedupe a list | get the unique values of a list", "duplicate removal | deduplication",
         "Go through the list.\nKeep an item if it is not there yet.",
         "def NAME(items):\n    unique = []\n    for item in items:\n        if item not in unique:\n            unique.append(item)\n    return unique",
         "It returns the items without duplicates, in order.", (("([1, 2, 1, 3],)", [1, 2, 3]), ("([],)", []), ("(['b', 'a', 'b'],)", ["b", "a"]))),
    Task("count_words", "count words | count the words in a string | count words in a sentence | find the number of words in a text"
         " | return how many words a text has", "a word counter | word count | a word count", "Split the text at spaces.\nCount the parts.",
         "def NAME(text):\n    return len(text.split())", "It returns the number of words.",
         (("('one two three',)", 3), ("('',)", 0), ("('a  b',)", 2))),
    Task("word_frequency", "count how often each word occurs | count word frequencies | make a word frequency dictionary"
         " | compute word frequencies | count each word in a text", "word frequencies | a word frequency counter",
         "Split the text into words.\nCount each word in a dictionary.",
         "def NAME(text):\n    counts = {}\n    for word in text.lower().split():\n        counts[word] = counts.get(word, 0) + 1\n    return counts",
         "It returns a dictionary from word to count.", (("('a b a',)", {"a": 2, "b": 1}), ("('',)", {}), ("('Hi hi',)", {"hi": 2}))),
    Task("celsius_to_fahrenheit", "convert Celsius to Fahrenheit | turn Celsius into Fahrenheit | convert degrees Celsius to Fahrenheit"
         " | change celsius to fahrenheit | convert a temperature from Celsius to Fahrenheit", "Celsius to Fahrenheit | celsius to fahrenheit",
         "Multiply by 9, divide by 5, add 32.", "def NAME(celsius):\n    return celsius * 9 / 5 + 32", "It returns degrees Fahrenheit.",
         (("(0,)", 32.0), ("(100,)", 212.0), ("(-40,)", -40.0))),
    Task("fahrenheit_to_celsius", "convert Fahrenheit to Celsius | turn Fahrenheit into Celsius | convert degrees Fahrenheit to Celsius"
         " | change fahrenheit to celsius", "Fahrenheit to Celsius | fahrenheit to celsius", "Subtract 32, multiply by 5, divide by 9.",
         "def NAME(fahrenheit):\n    return (fahrenheit - 32) * 5 / 9", "It returns degrees Celsius.",
         (("(32,)", 0.0), ("(212,)", 100.0), ("(-40,)", -40.0))),
    Task("squares", "square the numbers of a list | square every number in a list | return the squares of a list | compute a list of squares"
         " | square all numbers in a list", "a list of squares | squares", "Take every number.\nMultiply it by itself.",
         "def NAME(numbers):\n    return [number * number for number in numbers]", "It returns the squares.",
         (("([1, 2, 3],)", [1, 4, 9]), ("([],)", []), ("([-2],)", [4]))),
    Task("filter_evens", "filter even numbers | keep only the even numbers of a list | return the even numbers in a list"
         " | get even numbers from a list | filter the evens out of a list | find the even numbers in a list", "an even filter | even numbers of a list",
         "Look at every number.\nKeep it if n % 2 is 0.", "def NAME(numbers):\n    return [n for n in numbers if n % 2 == 0]",
         "It returns the even numbers.", (("([1, 2, 3, 4],)", [2, 4]), ("([],)", []), ("([1, 3],)", []))),
    Task("flatten", "flatten a list of lists | flatten a nested list | merge a list of lists into one list | flatten a list"
         " | turn a list of lists into a flat list", "list flattening | flattening a list", "Go through every inner list.\nCollect its items.",
         "def NAME(lists):\n    return [item for inner in lists for item in inner]", "It returns one flat list.",
         (("([[1, 2], [3]],)", [1, 2, 3]), ("([],)", []), ("([[], [1]],)", [1]))),
    Task("swap_keys", "swap keys and values of a dictionary | invert a dictionary | exchange the keys and values of a dict"
         " | reverse a dictionary | flip the keys and values of a dictionary", "dictionary inversion | dict inversion",
         "Go through the pairs.\nUse the value as key and the key as value.",
         "def NAME(data):\n    return {value: key for key, value in data.items()}", "It returns the swapped dictionary.",
         (("({'a': 1, 'b': 2},)", {1: "a", 2: "b"}), ("({},)", {}))),
    Task("count_occurrences", "count occurrences of an item in a list | count how often an item is in a list | count how many times a value appears in a list"
         " | count an element in a list", "an occurrence counter", "Go through the list.\nCount the items that are equal.",
         "def NAME(items, target):\n    count = 0\n    for item in items:\n        if item == target:\n            count += 1\n    return count",
         "It returns how often the target occurs.", (("([1, 2, 1], 1)", 2), ("([], 1)", 0), ("(['a'], 'b')", 0))),
    Task("add", "add two numbers | return the sum of two numbers | add two integers | sum two numbers | compute a plus b"
         " | add a and b", "addition | adding two numbers", "Take a and b.\nReturn a + b.", "def NAME(a, b):\n    return a + b", "It returns the sum.",
         (("(2, 3)", 5), ("(-1, 1)", 0))),
    Task("subtract", "subtract two numbers | return the difference of two numbers | subtract one number from another | compute a minus b",
         "subtraction", "Take a and b.\nReturn a - b.", "def NAME(a, b):\n    return a - b", "It returns the difference.", (("(5, 3)", 2), ("(1, 4)", -3))),
    Task("multiply", "multiply two numbers | return the product of two numbers | multiply two integers | compute a times b",
         "multiplication", "Take a and b.\nReturn a * b.", "def NAME(a, b):\n    return a * b", "It returns the product.", (("(5, 3)", 15), ("(0, 4)", 0))),
    Task("hello_world", "print hello world | say hello world | print Hello, world! | output hello world | display hello world",
         "hello world | Hello World | a hello world", "Print the text Hello, world!", "def NAME():\n    print(\"Hello, world!\")",
         "It prints Hello, world!", (("()", "Hello, world!"),), True),
    Task("greet", "greet a person by name | say hello to a name | greet someone | print a greeting for a name | return a greeting for a name",
         "a greeting", "Take a name.\nReturn Hello and the name.", "def NAME(name):\n    return f\"Hello, {name}!\"", "It returns the greeting.",
         (("('Ada',)", "Hello, Ada!"), ("('Bo',)", "Hello, Bo!"))),
    Task("is_leap_year", "check whether a year is a leap year | check if a year is a leap year | test for leap years | tell if a year is a leap year"
         " | find leap years | determine whether a year is a leap year", "a leap year check | leap year | is leap year | leap years",
         "A leap year divides by 4 but not by 100, or by 400.", "def NAME(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)",
         "It returns True for a leap year.", (("(2000,)", True), ("(1900,)", False), ("(2024,)", True), ("(2023,)", False))),
    Task("power", "compute a power | raise a number to a power | calculate the power of a number | compute base to the exponent"
         " | calculate x to the power of y", "power | a power function | exponentiation", "Take base and exponent.\nReturn base ** exponent.",
         "def NAME(base, exponent):\n    return base ** exponent", "It returns the power.", (("(2, 10)", 1024), ("(5, 0)", 1))),
    Task("print_numbers", "print the numbers from 1 to n | print 1 to n | count from 1 to n | print numbers up to n | print all numbers from 1 to n"
         " | list the numbers 1 to n", "printing 1 to n", "Count from 1 to n.\nPrint each number.",
         "def NAME(n):\n    for i in range(1, n + 1):\n        print(i)", "It prints the numbers from 1 to n.", (("(3,)", "1\n2\n3"), ("(1,)", "1")), True),
    Task("countdown", "count down from n | print a countdown | count down to 1 | print numbers from n down to 1 | make a countdown",
         "a countdown | countdown", "Count from n down to 1.\nPrint each number.",
         "def NAME(n):\n    for i in range(n, 0, -1):\n        print(i)", "It prints the numbers from n down to 1.", (("(3,)", "3\n2\n1"), ("(1,)", "1")), True),
    Task("times_table", "print a multiplication table | print the times table of a number | show the multiplication table for n"
         " | print the table of n | make a times table", "a multiplication table | a times table | multiplication table", "Count from 1 to 10.\nPrint n times each number.",
         "def NAME(n):\n    for i in range(1, 11):\n        print(n, \"x\", i, \"=\", n * i)", "It prints the table of n from 1 to 10.",
         (("(3,)", "\n".join(f"3 x {i} = {3 * i}" for i in range(1, 11))),), True),
    Task("is_anagram", "check whether two words are anagrams | check if two strings are anagrams | test for anagrams | detect an anagram"
         " | tell if two words are anagrams", "an anagram check | an anagram checker | anagrams", "Sort the letters of both words.\nCompare them.",
         "def NAME(a, b):\n    return sorted(a.lower()) == sorted(b.lower())", "It returns True for anagrams.",
         (("('listen', 'silent')", True), ("('ab', 'abc')", False), ("('Dog', 'god')", True))),
    Task("capitalize_words", "capitalize every word | capitalize the words of a string | make the first letter of each word upper case"
         " | capitalize each word in a sentence | title case a string", "word capitalization | title case", "Split the text into words.\nCapitalize each and join them.",
         "def NAME(text):\n    return \" \".join(word.capitalize() for word in text.split())", "It returns the text with capitalized words.",
         (("('hello big world',)", "Hello Big World"), ("('',)", ""))),
    Task("second_largest", "find the second largest number in a list | return the second largest element | find the second biggest number"
         " | get the second highest value of a list", "the second largest number | second largest", "Remove duplicates and sort.\nTake the last but one.",
         "def NAME(numbers):\n    return sorted(set(numbers))[-2]", "It returns the second largest number.",
         (("([3, 9, 2],)", 3), ("([5, 5, 4],)", 4), ("([1, 2],)", 1))),
    Task("to_upper", "convert a string to upper case | make a string uppercase | turn text into capital letters | uppercase a string"
         " | change a text to capitals", "uppercase | an uppercase function", "Take a text.\nReturn text.upper().", "def NAME(text):\n    return text.upper()",
         "It returns the text in upper case.", (("('abc',)", "ABC"), ("('a B',)", "A B"))),
    Task("to_lower", "convert a string to lower case | make a string lowercase | turn text into small letters | lowercase a string",
         "lowercase | a lowercase function", "Take a text.\nReturn text.lower().", "def NAME(text):\n    return text.lower()",
         "It returns the text in lower case.", (("('ABC',)", "abc"), ("('a B',)", "a b"))),
    Task("string_length", "return the length of a string | count the characters in a string | find the length of a string | count letters in a word"
         " | get the length of a text", "string length | the length of a string", "Take a text.\nReturn len(text).", "def NAME(text):\n    return len(text)",
         "It returns the number of characters.", (("('abc',)", 3), ("('',)", 0))),
    Task("sum_digits", "sum the digits of a number | add the digits of a number | compute the digit sum | calculate the sum of digits",
         "digit sum | the digit sum | the sum of digits", "Turn the number into text.\nAdd its digits.",
         "def NAME(n):\n    return sum(int(digit) for digit in str(n))", "It returns the sum of the digits.", (("(123,)", 6), ("(0,)", 0), ("(99,)", 18))),
    Task("sum_to_n", "sum the numbers from 1 to n | add all numbers from 1 to n | compute the sum of the first n numbers | calculate 1 + 2 + ... + n",
         "the sum from 1 to n", "Add every number from 1 to n.", "def NAME(n):\n    return sum(range(1, n + 1))", "It returns the sum from 1 to n.",
         (("(4,)", 10), ("(1,)", 1), ("(100,)", 5050))),
    Task("merge_dicts", "merge two dictionaries | combine two dicts | join two dictionaries | merge two dicts", "dictionary merging | a dict merge",
         "Copy the first.\nAdd the pairs of the second.", "def NAME(first, second):\n    return {**first, **second}", "It returns the merged dictionary.",
         (("({'a': 1}, {'b': 2})", {"a": 1, "b": 2}), ("({'a': 1}, {'a': 3})", {"a": 3}))),
    Task("common_items", "find the common elements of two lists | return items that are in both lists | find the intersection of two lists"
         " | get the common items of two lists", "list intersection | the intersection of two lists", "Go through the first list.\nKeep items that are in the second.",
         "def NAME(first, second):\n    return [item for item in first if item in second]", "It returns the items in both lists.",
         (("([1, 2, 3], [2, 3, 4])", [2, 3]), ("([1], [])", []))),
    Task("is_positive", "check whether a number is positive | check if a number is positive | test if a number is greater than zero",
         "a positive check", "A number is positive if n > 0.", "def NAME(n):\n    return n > 0", "It returns True if n is positive.",
         (("(1,)", True), ("(0,)", False), ("(-3,)", False))),
    Task("rectangle_area", "compute the area of a rectangle | calculate the area of a rectangle | find the area of a rectangle from width and height",
         "rectangle area | the area of a rectangle", "Take width and height.\nReturn their product.",
         "def NAME(width, height):\n    return width * height", "It returns the area.", (("(3, 4)", 12), ("(1, 0)", 0))),
    Task("longest_word", "find the longest word in a sentence | return the longest word of a text | get the longest word",
         "the longest word", "Split the text into words.\nTake the longest.", "def NAME(text):\n    return max(text.split(), key=len)",
         "It returns the longest word.", (("('a bcd ef',)", "bcd"), ("('one',)", "one"))),
    Task("absolute", "return the absolute value of a number | compute the absolute value | find the absolute value of n",
         "absolute value | the absolute value", "If n is below 0, return -n.\nElse return n.",
         "def NAME(n):\n    if n < 0:\n        return -n\n    return n", "It returns the absolute value.", (("(-3,)", 3), ("(4,)", 4), ("(0,)", 0))),
    Task("count_letter", "count a letter in a string | count how often a letter is in a word | count a character in a text | count how many times a character appears in a string",
         "a letter counter", "Take a text and a letter.\nReturn text.count(letter).", "def NAME(text, letter):\n    return text.count(letter)",
         "It returns how often the letter occurs.", (("('banana', 'a')", 3), ("('', 'x')", 0))),
    Task("remove_spaces", "remove spaces from a string | delete all spaces in a text | strip the spaces out of a string", "space removal",
         "Replace every space by nothing.", "def NAME(text):\n    return text.replace(\" \", \"\")", "It returns the text without spaces.",
         (("('a b c',)", "abc"), ("('',)", ""))),
    Task("binary_search", "search a sorted list with binary search | do a binary search | implement binary search | find an item in a sorted list",
         "binary search | a binary search", "Look at the middle.\nGo on in the half that can hold the target.",
         "def NAME(items, target):\n    low, high = 0, len(items) - 1\n    while low <= high:\n        mid = (low + high) // 2\n"
         "        if items[mid] == target:\n            return mid\n        if items[mid] < target:\n            low = mid + 1\n"
         "        else:\n            high = mid - 1\n    return -1",
         "It returns the position of the target, or -1.", (("([1, 3, 5, 7], 5)", 2), ("([1, 3], 2)", -1), ("([], 1)", -1), ("([4], 4)", 0))),
    Task("to_binary", "convert a number to binary | turn an integer into binary | convert decimal to binary", "decimal to binary | binary conversion",
         "Use bin(n).\nCut off the first two characters.", "def NAME(n):\n    return bin(n)[2:]", "It returns the binary digits as text.",
         (("(5,)", "101"), ("(8,)", "1000"), ("(0,)", "0"))),
    Task("swap", "swap two values | swap two variables | exchange two values", "swapping two variables | a swap", "Take a and b.\nReturn b and a.",
         "def NAME(a, b):\n    return b, a", "It returns the two values swapped.", (("(1, 2)", (2, 1)), ("('a', 'b')", ("b", "a")))),
    Task("read_lines", "read a file line by line | read all lines of a file | read a text file | open a file and return its lines", "reading a file | a file reader",
         "Open the file.\nReturn its lines without line ends.", "def NAME(path):\n    with open(path) as file:\n        return file.read().splitlines()",
         "It returns the lines of the file.", (("('cases.txt',)", ["one", "two"]),)),
)  # fmt: skip
"""Every function of the family."""
